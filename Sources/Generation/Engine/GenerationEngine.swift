import Synchronization
import TensorCore
import Tokenization
import Transformer

/// Continuous batching: requests come and go while the answers of others are written. Every pass of the model takes one token of each answer,
/// and beside them a part of the prompts that are still to be read; what some slot of the cache holds of a prompt already is not read again.
///
///     let engine = try GenerationEngine(model, tokenizer, slots: 1, contextLength: 2048, queue: 0)
///     try engine.submit(GenerationRequest(prompt: ids, limit: 100)) { event in … }
///     while try engine.step() {}
///
/// With the same requests one after another, answers are the same on the same machine. Requests that run side by side do not disturb each
/// other's draws, but the number of rows in a pass decides which kernels multiply them, and a choice that was almost even may tip.
///
/// `@unchecked`: orders are under a lock, and the rest belongs to whichever thread is in `step`, which only one may be.
public final class GenerationEngine: @unchecked Sendable {
  public let contextLength: Int
  public let slots: Int
  let model: Llama
  private let tokenizer: Tokenizer?
  private let queue: Int
  private let book = OrderBook()
  private let isStepping = Atomic(false)
  private var table: SlotTable
  private var chooser = TokenChooser()
  /// Most rows of prompts in a pass: where nobody else waits for the pass, and where others do.
  private let (aloneRows, sharedRows): (Int, Int)

  /// - Parameters:
  ///   - slots: answers written side by side.
  ///   - contextLength: most tokens of prompt and answer together; at most the model's own.
  ///   - queue: most requests that wait for a slot.
  /// - Throws: `BackendError`, where there is no memory for the cache.
  public convenience init(_ model: Llama, _ tokenizer: Tokenizer, slots: Int, contextLength: Int, queue: Int) throws {
    try self.init(model, tokenizer: tokenizer, slots: slots, contextLength: contextLength, queue: queue)
  }

  /// - Parameter tokenizer: nil for callers who want tokens and no text; they hear of them when an answer ends.
  package init(_ model: Llama, tokenizer: Tokenizer?, slots: Int, contextLength: Int, queue: Int) throws {
    precondition(slots > 0 && queue >= 0, "engine: \(slots) slots, \(queue) waiting")
    precondition((2...model.config.contextLength).contains(contextLength), "engine: a context of \(contextLength) tokens")
    (self.model, self.tokenizer, self.slots, self.contextLength, self.queue) = (model, tokenizer, slots, contextLength, queue)
    table = try SlotTable(model, slots: slots, contextLength: contextLength)
    // A CPU reads prompts almost as fast in small parts, and others wait for no part longer than for a few tokens of their own.
    (aloneRows, sharedRows) = model.backend.usefulRows == nil ? (128, 32) : (2048, 512)
    book.with { $0.load.slots = slots }
  }

  /// Bytes of the cache for so many slots and tokens.
  public static func cacheBytes(_ model: Llama, slots: Int, contextLength: Int) -> Int {
    KVCache.byteCount(model.config, slots: slots, capacity: contextLength, on: model.backend)
  }

  /// Takes a request. Any thread may call this, `deliver` included; `deliver` is called on the engine's thread, and may be before this returns.
  /// - Throws: what is wrong with the request, or that too many are waiting.
  @discardableResult
  public func submit(
    _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
  ) throws(GenerationError) -> Ticket {
    try request.check(vocabularySize: model.config.vocabularySize, contextLength: contextLength)
    return try book.with(rings: true) { (orders) throws(GenerationError) in
      guard !orders.isShutDown else { throw .shutDown }
      // A free slot takes the next request at once; those that the engine has not looked at yet have theirs.
      let free = max(0, slots - orders.load.active)
      guard orders.waiting.count < queue + free else { throw .queueFull(waiting: orders.waiting.count) }
      orders.lastNumber += 1
      let ticket = Ticket(number: orders.lastNumber)
      orders.waiting.append(AnswerStream(ticket, request, tokenizer, contextLength: contextLength, deliver: deliver))
      orders.open.insert(ticket)
      orders.load.requests += 1
      orders.load.waiting = orders.waiting.count
      return ticket
    }
  }

  /// Ends an answer with `.finished(.cancelled, …)`, before the next pass. Nothing happens to one that has ended already.
  public func cancel(_ ticket: Ticket) {
    book.with(rings: true) { orders in
      if orders.open.contains(ticket) { orders.cancelled.insert(ticket) }
    }
  }

  /// Leaves an answer out of passes until `resume`; it keeps its slot. For readers who are slower than the model.
  public func pause(_ ticket: Ticket) {
    book.with { orders in
      if orders.open.contains(ticket) { orders.paused.insert(ticket) }
    }
  }

  public func resume(_ ticket: Ticket) {
    book.with(rings: true) { orders in _ = orders.paused.remove(ticket) }
  }

  public var load: EngineLoad { book.with { $0.load } }

  /// Steps until `shutDown`, and waits where there is nothing to do. For a thread of its own. Who has requests under way when the device
  /// fails hears of it; the engine goes on with the next.
  public func run() {
    while !book.with({ $0.isShutDown }) {
      // What went wrong was told to those it concerns.
      if (try? step()) != true, !book.waitForNews() { break }
    }
    endAll(.cancelled)
  }

  /// Ends `run`; requests that are open end as cancelled, and new ones are refused.
  public func shutDown() {
    book.with(rings: true) { $0.isShutDown = true }
  }

  /// One pass: a token for every answer, and a part of prompts. One thread at a time.
  /// - Returns: false when there was nothing to do.
  /// - Throws: `BackendError`; all answers that had a slot end as failed.
  @discardableResult
  public func step() throws -> Bool {
    precondition(!isStepping.exchange(true, ordering: .acquiring), "engine: two threads in step")
    defer { isStepping.store(false, ordering: .releasing) }
    let hasEnded = takeOrders()
    let counts = rowsOfPass()
    guard counts.contains(where: { $0 > 0 }) else { return hasEnded }
    let start = ContinuousClock.now
    do {
      let pass = try table.pass(counts, through: model)
      let choices = try pass.map { (pass) throws(BackendError) in try chooser.choices(pass.logits, for: pass.streams) } ?? []
      count(pass: counts, choices: choices.count, since: start)
      for (stream, choice) in zip(pass?.streams ?? [], choices) {
        if let choice { stream.append(choice) } else { stream.finish(.failed("the model's logits are not numbers: its weights overflow")) }
      }
    } catch {
      for (_, stream) in table.active { stream.finish(.failed("\(error)")) }
      settle()
      throw error
    }
    settle()
    return true
  }

  /// Cancels, and gives free slots to those who wait. True when something ended.
  private func takeOrders() -> Bool {
    let (cancelled, dropped) = book.look { orders in
      let dropped = orders.waiting.filter { orders.cancelled.contains($0.ticket) }
      orders.waiting.removeAll { orders.cancelled.contains($0.ticket) }
      defer { orders.cancelled = [] }
      return (orders.cancelled, dropped)
    }
    let ended = dropped + table.active.map(\.stream).filter { cancelled.contains($0.ticket) }
    for stream in ended { stream.finish(.cancelled) }
    forget(ended)
    table.release()
    while table.hasFree, let stream = nextWaiting() {
      table.admit(stream)
      let reused = stream.reusedTokens
      book.with { $0.load.tokensReused += reused }
    }
    settle()
    return !ended.isEmpty
  }

  private func nextWaiting() -> AnswerStream? {
    book.with { orders in
      // Who cannot take anything yet is passed by.
      guard let index = orders.waiting.firstIndex(where: { !orders.paused.contains($0.ticket) }) else { return nil }
      defer { orders.load.active += 1 }
      return orders.waiting.remove(at: index)
    }
  }

  /// Tokens that each slot puts into the next pass: one for an answer in the making, and prompts, in order of arrival, share what a pass may
  /// have beside them.
  private func rowsOfPass() -> [Int] {
    let paused = book.with { $0.paused }
    let running = table.active.filter { !paused.contains($0.stream.ticket) }
    var counts = [Int](repeating: 0, count: slots)
    var prompts: [(slot: Int, stream: AnswerStream)] = []
    for entry in running {
      if table.unread(entry.slot).count == 1 { counts[entry.slot] = 1 } else { prompts.append(entry) }
    }
    var room = prompts.count == running.count ? aloneRows : sharedRows
    for entry in prompts.sorted(by: { $0.stream.ticket.number < $1.stream.ticket.number }) where room > 0 {
      counts[entry.slot] = min(room, table.unread(entry.slot).count)
      room -= counts[entry.slot]
    }
    return counts
  }

  private func count(pass counts: [Int], choices: Int, since start: ContinuousClock.Instant) {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    // An answer's first token comes of its prompt's last, each later one of the one before.
    let written = table.active.count { counts[$0.slot] > 0 && $0.stream.written > 0 }
    book.with { orders in
      orders.load.passes += 1
      orders.load.secondsInPasses += seconds
      orders.load.tokensRead += counts.reduce(0, +) - written
      orders.load.tokensWritten += choices
    }
  }

  /// Frees the slots of what has ended.
  private func settle() {
    forget(table.active.map(\.stream).filter(\.isFinished))
    table.release()
    let active = table.active.count
    book.with { orders in
      orders.load.active = active
      orders.load.waiting = orders.waiting.count
    }
  }

  private func forget(_ ended: [AnswerStream]) {
    guard !ended.isEmpty else { return }
    book.with { orders in
      for stream in ended {
        orders.open.remove(stream.ticket)
        orders.paused.remove(stream.ticket)
        orders.load.finished += 1
      }
    }
  }

  private func endAll(_ reason: FinishReason) {
    let waiting = book.with { orders in
      defer { orders.waiting = [] }
      return orders.waiting
    }
    let all = waiting + table.active.map(\.stream)
    for stream in all { stream.finish(reason) }
    forget(waiting)
    settle()
  }
}
