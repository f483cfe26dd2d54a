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
  /// By layer, [slots·capacity, Hk·D]; nil where the attention was cut.
  fileprivate let layers: [(keys: Tensor, values: Tensor)?]
  private let backend: any ComputeBackend

  public init(_ config: LlamaConfig, slots: Int, capacity: Int, on backend: any ComputeBackend) throws(BackendError) {
    precondition(slots > 0 && capacity > 0, "KV cache: \(slots) slots of \(capacity) rows")
    self.slots = slots
    self.capacity = capacity
    self.backend = backend
    lengths = Array(repeating: 0, count: slots)
    var layers: [(keys: Tensor, values: Tensor)?] = []
    for layer in config.layers {
      guard layer.queryHeads > 0 else {
        layers.append(nil)
        continue
      }
      let columns = layer.keyHeads * config.headDim
      layers.append(
        (
          try Tensor(slots * capacity, columns, backend.activations, on: backend),
          try Tensor(slots * capacity, columns, backend.activations, on: backend)
        ))
    }
    self.layers = layers
  }

  /// Bytes that such a cache takes.
  public static func byteCount(_ config: LlamaConfig, slots: Int, capacity: Int, on backend: any ComputeBackend) -> Int {
    let columns = config.layers.reduce(0) { $0 + ($1.queryHeads > 0 ? 2 * $1.keyHeads * config.headDim : 0) }
    return slots * capacity * columns * backend.activations.block.bytes
  }

  public var byteCount: Int { layers.reduce(0) { $0 + ($1.map { $0.keys.byteCount + $0.values.byteCount } ?? 0) } }

  /// Forgets what a slot holds from `length` on: for a sequence that ends, or tokens that are taken back.
  public mutating func truncate(_ slot: Int, to length: Int) {
    precondition(length >= 0 && length <= lengths[slot], "KV cache: slot \(slot) of \(lengths[slot]) tokens cut to \(length)")
    lengths[slot] = length
  }

  /// Lets `target` hold what the first `count` tokens of `source` are: for a sequence that begins as another one did.
  public mutating func copy(first count: Int, of source: Int, to target: Int) {
    precondition(
      count <= lengths[source] && source != target, "KV cache: \(count) of \(lengths[source]) tokens, slot \(source) to \(target)")
    for case let layer? in layers {
      for tensor in [layer.keys, layer.values] {
        backend.copy(
          tensor.rows(source * capacity..<source * capacity + count), into: tensor.rows(target * capacity..<target * capacity + count))
      }
    }
    lengths[target] = count
  }

  /// Makes room for `counts[slot]` more tokens of each slot. The rows of the pass that fills it are those of slot 0, then of slot 1 and so on.
  public mutating func grow(by counts: [Int]) throws(BackendError) -> Growth {
    precondition(counts.count == slots && counts.allSatisfy { $0 >= 0 }, "KV cache: growth \(counts) of \(slots) slots")
    precondition(zip(lengths, counts).allSatisfy { $0 + $1 <= capacity }, "KV cache: \(lengths) and \(counts) exceed \(capacity) rows")
    var runs: [Growth.Run] = []
    var (starts, keyStarts, keyCounts, positions) = ([Int32(0)], [Int32](), [Int32](), [Int32]())
    for (slot, count) in counts.enumerated() where count > 0 {
      let first = positions.count
      runs.append(.init(slot: slot, rows: first..<first + count, place: slot * capacity + lengths[slot]))
      positions.append(contentsOf: Int32(lengths[slot])..<Int32(lengths[slot] + count))
      starts.append(Int32(positions.count))
      keyStarts.append(Int32(slot * capacity))
      keyCounts.append(Int32(lengths[slot] + count))
    }
    let spans = Spans(
      queryStarts: try Tensor(starts, on: backend), keyStarts: try Tensor(keyStarts, on: backend),
      keyCounts: try Tensor(keyCounts, on: backend), count: runs.count, longestQuery: counts.max() ?? 0)
    let layout = PackedLayout(lengths: runs.map(\.rows.count), positions: try Tensor(positions, on: backend), spans: spans)
    for slot in 0..<slots { lengths[slot] += counts[slot] }
    return Growth(layout: layout, runs: runs, layers: layers)
  }

  /// The rows of one pass and where their keys and values go.
  public struct Growth: Sendable {
    struct Run: Sendable {
      let slot: Int
      let rows: Range<Int>
      let place: Int
    }
    public let layout: PackedLayout
    let runs: [Run]
    fileprivate let layers: [(keys: Tensor, values: Tensor)?]

    /// Puts the pass's keys and values behind the earlier ones; returns all of the layer's.
    func append(keys: Tensor, values: Tensor, layer: Int) -> (keys: Tensor, values: Tensor) {
      guard let cached = layers[layer] else { preconditionFailure("KV cache: layer \(layer) has no attention") }
      for run in runs {
        let place = run.place..<run.place + run.rows.count
        keys.backend.copy(keys.rows(run.rows), into: cached.keys.rows(place))
        values.backend.copy(values.rows(run.rows), into: cached.values.rows(place))
      }
      return cached
    }
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
    let growth = try cache.grow(by: tokens.map(\.count))
    let ids = try Tensor(Array(tokens.joined()), on: backend)
    let graph = Eager(ownsStream: true, cache: growth)
    let x = try run(embed(ids, in: graph), growth.layout, layers: 0..<layers.count, in: graph)
    // Only the last rows go through the LM head: it is a large part of a small model.
    let last = growth.runs.filter { predicted.contains($0.slot) }.map { Int32($0.rows.upperBound - 1) }
    precondition(last.count == predicted.count, "extend: logits of slots without tokens")
    guard !last.isEmpty else { return nil }
    let rows = last.count == x.rows ? x : try x.gathered(at: Tensor(last, on: backend))
    return try finish(rows, in: graph).linear(head)
  }
}
