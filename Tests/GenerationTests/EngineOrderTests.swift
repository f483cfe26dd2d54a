import BackendCPU
import Generation
import Glibc
import Synchronization
import TensorCore
import TestSupport
import Testing
import Transformer

/// What callers ask of an engine while it works, and what goes wrong.
struct EngineOrderTests {
  let example: Example

  init() throws { example = try Example() }

  private func request(_ text: String, limit: Int? = 30) -> GenerationRequest { .init(prompt: example.ids(text), limit: limit) }

  @Test("a cancelled request ends as such, whether it is written, waits or has ended, and the others go on")
  func cancel() throws {
    let expected = try example.engine().answer(request(Example.prompts[1]))
    let engine = try example.engine(slots: 2)
    let answers = (0..<4).map { _ in Answer() }
    let tickets = try zip(answers, [0, 1, 2, 3]).map { try engine.submit(request(Example.prompts[$1]), deliver: $0.deliver) }
    for _ in 0..<5 { try engine.step() }
    engine.cancel(tickets[0])
    engine.cancel(tickets[3])
    try engine.step()
    #expect(answers[0].reason == .cancelled && answers[0].usage?.answerTokens == 5)
    #expect(answers[3].reason == .cancelled && answers[3].usage?.answerTokens == 0)
    try engine.drain()
    engine.cancel(tickets[1])
    #expect(try !engine.step())
    #expect(answers[1].reason == .length && answers[1].text == expected.text && answers[2].reason == .length)
    #expect(engine.load.finished == 4 && engine.load.requests == 4)
  }

  @Test("a request may be cancelled by who hears of its text")
  func cancelInside() throws {
    let engine = try example.engine()
    let answer = Answer()
    let ticket = Mutex<Ticket?>(nil)
    let taken = try engine.submit(request(Example.prompts[0], limit: nil)) { event in
      answer.deliver(event)
      if case .text = event { ticket.withLock { $0.map(engine.cancel) } }
    }
    ticket.withLock { $0 = taken }
    try engine.drain()
    #expect(answer.reason == .cancelled && answer.ids.count < 4)
  }

  @Test("a paused request keeps its slot and waits; the others go on; resumed, it writes what it would have written")
  func pause() throws {
    let expected = try Example.prompts.prefix(2).map { try example.engine().answer(request($0)).text }
    let engine = try example.engine(slots: 2)
    let (slow, quick) = (Answer(), Answer())
    let ticket = try engine.submit(request(Example.prompts[0]), deliver: slow.deliver)
    try engine.submit(request(Example.prompts[1]), deliver: quick.deliver)
    for _ in 0..<4 { try engine.step() }
    engine.pause(ticket)
    try engine.drain()
    #expect(quick.reason == .length && quick.text == expected[1] && slow.reason == nil && slow.usage == nil)
    #expect(engine.load.active == 1)
    let before = slow.ids.count
    #expect(try !engine.step() && slow.ids.count == before)
    engine.resume(ticket)
    try engine.drain()
    #expect(slow.reason == .length && slow.text == expected[0])
  }

  @Test("a prompt that does not fit is refused with both numbers; an answer ends where the context does")
  func overflow() throws {
    let ids = example.ids(Example.prompts[0])
    let engine = try example.engine(contextLength: ids.count + 6)
    #expect(throws: GenerationError.tooLong(promptTokens: ids.count + 6, contextLength: ids.count + 6)) {
      try engine.start(.init(prompt: ids + ids[..<6]))
    }
    let message = GenerationError.tooLong(promptTokens: 600, contextLength: 512).description
    #expect(message.contains("600") && message.contains("512"))
    let answer = try engine.answer(.init(prompt: ids, limit: 100))
    #expect(answer.reason == .length && answer.ids.count == 6)
    let most = try engine.answer(.init(prompt: ids + ids[..<5]))
    #expect(most.reason == .length && most.ids.count == 1)
  }

  @Test("more than may wait are refused, and taken again when there is room")
  func queue() throws {
    let engine = try example.engine(slots: 1, queue: 1)
    let answers = try (0..<2).map { _ in try engine.start(request("One", limit: 3)) }
    #expect(throws: GenerationError.queueFull(waiting: 2)) { try engine.start(request("One", limit: 3)) }
    // The first has the slot now, and one may wait.
    try engine.step()
    #expect(throws: GenerationError.queueFull(waiting: 1)) { try engine.start(request("One", limit: 3)) }
    try engine.drain()
    #expect(answers.allSatisfy { $0.reason == .length })
    _ = try engine.answer(request("One", limit: 3))
  }

  @Test("requests that cannot be meant are refused in words")
  func refusals() throws {
    let engine = try example.engine()
    let good = request("One")
    func refusal(_ change: (inout GenerationRequest) -> Void) -> String {
      var request = good
      change(&request)
      do {
        _ = try engine.start(request)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal { $0.prompt = [] }.contains("no tokens"))
    #expect(refusal { $0.prompt = [1, 1_000_000] }.contains("1000000"))
    #expect(refusal { $0.prompt = [-1] }.contains("-1"))
    #expect(refusal { $0.limit = 0 }.contains("at most 0"))
    #expect(refusal { $0.stopStrings = ["a", ""] }.contains("empty"))
    #expect(refusal { $0.stopStrings = Array(repeating: "a", count: 65) }.contains("65 stop strings"))
    #expect(refusal { $0.stopStrings = [String(repeating: "a", count: 2000)] }.contains("2000 bytes"))
    #expect(refusal { $0.logprobs = 101 }.contains("101"))
    #expect(refusal { $0.sampling.temperature = -1 }.contains("temperature"))
    #expect(refusal { $0.sampling.temperature = .nan }.contains("temperature"))
    #expect(refusal { $0.sampling.topK = 0 }.contains("top-k"))
    #expect(refusal { $0.sampling.topP = 0 }.contains("top-p"))
    #expect(refusal { $0.sampling.minP = 1.5 }.contains("min-p"))
    #expect(refusal { $0.sampling.repetitionPenalty = 0 }.contains("repetition penalty"))
    #expect(engine.load.requests == 0)
  }

  @Test("an engine with a thread of its own takes requests from many, waits where there are none, and ends when asked")
  func thread() throws {
    let expected = try Example.prompts.map { try example.engine().answer(request($0)).text }
    let engine = try example.engine(slots: 3)
    let thread = try EngineThread(engine)
    for _ in 0..<3 {
      let answers = try Example.prompts.map { try engine.start(request($0)) }
      #expect(eventually { answers.allSatisfy { $0.reason != nil } })
      #expect(answers.map(\.text) == expected)
    }
    let open = try engine.start(request(Example.prompts[0], limit: nil))
    engine.shutDown()
    #expect(eventually { thread.hasEnded })
    #expect(open.reason == .cancelled || open.reason == .length)
    #expect(throws: GenerationError.shutDown) { try engine.start(request("One")) }
  }

  @Test("a device that fails ends the answers under way with its reason, and the next ones are written")
  func failure() throws {
    let backend = Failing(CPUBackend(threads: 2))
    let example = try Example(on: backend)
    let expected = try self.example.engine().answer(request(Example.prompts[0]))
    let engine = try example.engine(slots: 2)
    let answers = try Example.prompts.map { try engine.start(request($0)) }
    for _ in 0..<3 { try engine.step() }
    backend.isFailing.withLock { $0 = true }
    #expect(throws: BackendError.self) { try engine.step() }
    backend.isFailing.withLock { $0 = false }
    #expect(answers[0].reason == .failed("gone") && answers[1].reason == .failed("gone") && answers[2].reason == nil)
    try engine.drain()
    #expect(answers[2].reason == .length)
    #expect(try engine.answer(request(Example.prompts[0])).text == expected.text)
  }
}

/// Runs an engine on a thread of its own.
private final class EngineThread: Sendable {
  private let ended = Atomic(false)
  private let engine: GenerationEngine
  var hasEnded: Bool { ended.load(ordering: .acquiring) }

  init(_ engine: GenerationEngine) throws {
    self.engine = engine
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      {
        let running = Unmanaged<EngineThread>.fromOpaque($0!).takeRetainedValue()
        running.engine.run()
        running.ended.store(true, ordering: .releasing)
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    try #require(code == 0)
    pthread_detach(thread)
  }
}

/// Looks for 20 seconds whether something has come about.
private func eventually(_ holds: () -> Bool) -> Bool {
  for _ in 0..<2000 {
    if holds() { return true }
    usleep(10_000)
  }
  return holds()
}

/// Refuses memory on demand.
private final class Failing: BackendDecorator {
  let base: any ComputeBackend
  let isFailing = Mutex(false)
  init(_ base: any ComputeBackend) { self.base = base }

  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    if isFailing.withLock({ $0 }) { throw .unavailable(reason: "gone") }
    return try base.allocate(byteCount: byteCount)
  }
}
