import Formats
import TensorCore
import Transformer

/// The cache's slots and what is in them. A finished answer's rows stay until the slot is needed: who goes on with the same conversation, or
/// begins with the same text, finds them.
struct SlotTable {
  private struct Slot {
    /// Tokens whose keys and values are in the cache, in order.
    var held: [Int32] = []
    var stream: AnswerStream?
    /// Number of the admission or end that touched it last.
    var used = 0
    /// Who is just reading what this slot's prompt begins with.
    var leader: Leader?
  }

  private struct Leader {
    let slot: Int
    let ticket: Ticket
    /// Tokens that both prompts begin with.
    let shared: Int
  }

  /// Fewer tokens are read again as quickly as anything is done to avoid it.
  private static let leastGain = 16

  private var cache: KVCache
  private var slots: [Slot]
  private var clock = 0

  init(_ model: Llama, slots: Int, contextLength: Int) throws(BackendError) {
    cache = try KVCache(model.config, slots: slots, capacity: contextLength, on: model.backend)
    self.slots = Array(repeating: Slot(), count: slots)
  }

  var count: Int { slots.count }
  var hasFree: Bool { slots.contains { $0.stream == nil } }
  /// Those that have an answer in the making.
  var active: [(slot: Int, stream: AnswerStream)] { slots.indices.compactMap { index in slots[index].stream.map { (index, $0) } } }

  /// Tokens of the slot's answer that are not in the cache yet.
  func unread(_ slot: Int) -> ArraySlice<Int32> { slots[slot].stream.map { $0.tokens[slots[slot].held.count...] } ?? [] }

  /// Gives `stream` a free slot, with as much of its prompt as some slot holds already.
  mutating func admit(_ stream: AnswerStream) {
    let prompt = stream.request.prompt
    // The last token has to go through the model in any case: its logits are wanted.
    let shared = slots.map { SlotTable.common($0.held, prompt) }
    let free = slots.indices.filter { slots[$0].stream == nil }
    precondition(!free.isEmpty, "admission without a free slot")
    let source = slots.indices.max { (shared[$0], slots[$1].held.count) < (shared[$1], slots[$0].held.count) }!
    let oldest = free.min { slots[$0].used < slots[$1].used }!
    // What a free slot holds beyond the common part is lost when its rows are taken over. A conversation that goes on loses little or nothing;
    // where another one would, the common part is copied over whatever has lain untouched for longest.
    let lost = slots[source].held.count - shared[source]
    let isKept = slots[source].stream != nil || lost > max(SlotTable.leastGain, shared[source] / 8)
    let target = isKept ? oldest : source
    if target != source {
      if shared[target] < shared[source] {
        cache.copy(first: shared[source], of: source, to: target)
        slots[target].held = Array(prompt[..<shared[source]])
      }
    }
    let length = min(slots[target].held.count, max(shared[source], shared[target]))
    slots[target].held.removeSubrange(length...)
    cache.truncate(target, to: length)
    stream.reusedTokens = length
    clock += 1
    (slots[target].stream, slots[target].used) = (stream, clock)
    slots[target].leader = leader(of: target, beyond: length)
  }

  /// Tokens that `prompt` begins with as `tokens` do, without its last one.
  private static func common(_ tokens: [Int32], _ prompt: [Int32]) -> Int {
    var count = 0
    let most = min(tokens.count, prompt.count - 1)
    while count < most, tokens[count] == prompt[count] { count += 1 }
    return count
  }

  /// Another slot that is still reading the same beginning: several answers to one prompt, or users of one system message.
  private func leader(of target: Int, beyond length: Int) -> Leader? {
    guard let prompt = slots[target].stream?.request.prompt else { return nil }
    let candidates = slots.indices.compactMap { index -> Leader? in
      guard index != target, let stream = slots[index].stream, unread(index).count > 1 else { return nil }
      return Leader(slot: index, ticket: stream.ticket, shared: SlotTable.common(stream.request.prompt, prompt))
    }
    guard let best = candidates.max(by: { $0.shared < $1.shared }), best.shared >= length + SlotTable.leastGain else { return nil }
    return best
  }

  /// Takes over what has been read elsewhere in the meantime.
  /// - Returns: slots that had better wait on, and how many tokens the others were spared.
  mutating func follow(paused: Set<Ticket>) -> (waiting: Set<Int>, reused: Int) {
    var (waiting, reused): (Set<Int>, Int) = ([], 0)
    for index in slots.indices {
      guard let stream = slots[index].stream, let leader = slots[index].leader else { continue }
      let leading = slots[leader.slot]
      let isReading = leading.stream?.ticket == leader.ticket && !paused.contains(leader.ticket)
      if isReading, leading.held.count < leader.shared {
        waiting.insert(index)
        continue
      }
      slots[index].leader = nil
      let shared = SlotTable.common(leading.held, stream.request.prompt)
      guard shared > slots[index].held.count else { continue }
      cache.copy(first: shared, of: leader.slot, to: index)
      reused += shared - slots[index].held.count
      slots[index].held = Array(stream.request.prompt[..<shared])
      stream.reusedTokens = shared
    }
    return (waiting, reused)
  }

  /// Frees slots whose answers are finished; what they hold stays.
  mutating func release() {
    for index in slots.indices where slots[index].stream?.isFinished == true {
      clock += 1
      (slots[index].stream, slots[index].used, slots[index].leader) = (nil, clock, nil)
    }
  }

  /// Puts the next `counts[slot]` unread tokens of each slot through the model.
  /// - Returns: logits [B, V] of the slots that have nothing unread left, in order; nil where there are none.
  mutating func pass(_ counts: [Int], through model: Llama) throws(BackendError) -> (streams: [AnswerStream], logits: Tensor)? {
    let tokens = counts.indices.map { Array(unread($0).prefix(counts[$0])) }
    let complete = counts.indices.filter { counts[$0] > 0 && counts[$0] == unread($0).count }
    do throws(BackendError) {
      let logits = try model.extend(&cache, by: tokens, predicting: Set(complete))
      for slot in counts.indices { slots[slot].held += tokens[slot] }
      return logits.map { (complete.map { slots[$0].stream! }, $0) }
    } catch {
      // Nobody knows which layers have the rows.
      for slot in counts.indices {
        slots[slot].held = []
        cache.truncate(slot, to: 0)
      }
      throw error
    }
  }
}
