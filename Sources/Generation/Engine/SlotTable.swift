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
  }

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
    let shared = slots.map { slot in min(prompt.count - 1, zip(slot.held, prompt).prefix { $0 == $1 }.count) }
    let free = slots.indices.filter { slots[$0].stream == nil }
    precondition(!free.isEmpty, "admission without a free slot")
    let source = slots.indices.max { (shared[$0], slots[$1].held.count) < (shared[$1], slots[$0].held.count) }!
    let oldest = free.min { slots[$0].used < slots[$1].used }!
    // What a free slot holds beyond the common part is lost when its rows are taken over; where that is more than the common part, they are
    // copied instead, over whatever has lain untouched for longest.
    let isKept = slots[source].stream != nil || slots[source].held.count > 2 * shared[source]
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
  }

  /// Frees slots whose answers are finished; what they hold stays.
  mutating func release() {
    for index in slots.indices where slots[index].stream?.isFinished == true {
      clock += 1
      (slots[index].stream, slots[index].used) = (nil, clock)
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
