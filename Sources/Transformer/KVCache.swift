import Formats
import TensorCore

/// Keys and values of sequences that grow: each has a slot of `capacity` rows in every layer's tensors. A forward pass over new rows only,
/// with `Eager(cache:)`, appends them and attends to everything before.
///
///     var cache = try KVCache(model.config, slots: 2, capacity: 2048, on: model.backend)
///     var logits = try model.extend(&cache, by: [prompt, otherPrompt])      // [2, V], of the last token of each
///     logits = try model.extend(&cache, by: [[next], [otherNext]])
public struct KVCache: Sendable {
  public let slots: Int
  /// Most tokens of one sequence.
  public let capacity: Int
  /// Tokens that each slot holds.
  public private(set) var lengths: [Int]
  /// Slot after slot, `capacity` rows each.
  private let storage: KeyValueRows

  public init(_ config: LlamaConfig, slots: Int, capacity: Int, on backend: any ComputeBackend) throws(BackendError) {
    precondition(slots > 0 && capacity > 0, "KV cache: \(slots) slots of \(capacity) rows")
    self.slots = slots
    self.capacity = capacity
    storage = try KeyValueRows(config, rows: slots * capacity, on: backend)
    lengths = Array(repeating: 0, count: slots)
  }

  /// Bytes that such a cache takes.
  public static func byteCount(_ config: LlamaConfig, slots: Int, capacity: Int, on backend: any ComputeBackend) -> Int {
    KeyValueRows.byteCount(config, rows: slots * capacity, on: backend)
  }

  public var byteCount: Int { storage.byteCount }

  /// Forgets what a slot holds from `length` on: for a sequence that ends, or tokens that are taken back.
  public mutating func truncate(_ slot: Int, to length: Int) {
    precondition(length >= 0 && length <= lengths[slot], "KV cache: slot \(slot) of \(lengths[slot]) tokens cut to \(length)")
    lengths[slot] = length
  }

  /// Lets `target` hold what the first `count` tokens of `source` are: for a sequence that begins as another one did.
  public mutating func copy(first count: Int, of source: Int, to target: Int) {
    precondition(
      count <= lengths[source] && source != target, "KV cache: \(count) of \(lengths[source]) tokens, slot \(source) to \(target)")
    storage.copy(source * capacity..<source * capacity + count, to: target * capacity, of: storage)
    lengths[target] = count
  }

  /// Makes room for `counts[slot]` more tokens of each slot. The rows of the pass that fills it are those of slot 0, then of slot 1 and so on.
  public mutating func grow(by counts: [Int]) throws(BackendError) -> KeyValueRows.Pass {
    precondition(counts.count == slots && counts.allSatisfy { $0 >= 0 }, "KV cache: growth \(counts) of \(slots) slots")
    precondition(zip(lengths, counts).allSatisfy { $0 + $1 <= capacity }, "KV cache: \(lengths) and \(counts) exceed \(capacity) rows")
    let grown = counts.indices.filter { counts[$0] > 0 }
    let pass = try storage.pass(grown.map { .init(start: $0 * capacity, held: lengths[$0], count: counts[$0]) })
    for slot in grown { lengths[slot] += counts[slot] }
    return pass
  }
}

extension Llama {
  /// Runs `tokens[slot]` behind what each slot of the cache holds; a slot without tokens rests.
  /// - Returns: logits of the last token of every slot that has some, [B, V] f32.
  public func extend(_ cache: inout KVCache, by tokens: [[Int32]]) throws(BackendError) -> Tensor {
    guard let logits = try extend(&cache, by: tokens, predicting: Set(tokens.indices.filter { !tokens[$0].isEmpty })) else {
      preconditionFailure("extend: no slot has tokens")
    }
    return logits
  }

  /// The same with the logits of some slots only: a prompt that is read in parts needs none before its last part.
  /// - Parameter predicted: slots that have tokens.
  /// - Returns: logits of their last tokens, in the order of the slots, [B, V] f32; nil for none.
  public func extend(_ cache: inout KVCache, by tokens: [[Int32]], predicting predicted: Set<Int>) throws(BackendError) -> Tensor? {
    let pass = try cache.grow(by: tokens.map(\.count))
    let ids = try Tensor(Array(tokens.joined()), on: backend)
    let graph = Eager(ownsStream: true, cache: pass)
    let x = try run(embed(ids, in: graph), pass.layout, layers: 0..<layers.count, in: graph)
    // Only the last rows go through the LM head: it is a large part of a small model.
    let grown = tokens.indices.filter { !tokens[$0].isEmpty }
    let last = zip(grown, pass.ranges).filter { predicted.contains($0.0) }.map { Int32($0.1.upperBound - 1) }
    precondition(last.count == predicted.count, "extend: logits of slots without tokens")
    guard !last.isEmpty else { return nil }
    let rows = last.count == x.rows ? x : try x.gathered(at: Tensor(last, on: backend))
    return try finish(rows, in: graph).linear(head)
  }
}
