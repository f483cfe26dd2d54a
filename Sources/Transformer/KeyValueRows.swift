import Formats
import TensorCore

/// Keys and values of every layer, in rows that sequences share out among themselves: one that begins as another did takes over its rows.
///
///     let pass = try rows.pass([.init(start: 0, held: 0, count: 5), .init(start: 100, held: 20, count: 3)])
///     let x = try model.run(model.embed(ids, in: graph), pass.layout, layers: …, in: Eager(cache: pass))     // [8, C]
public struct KeyValueRows: Sendable {
  public let rows: Int
  /// By layer, [rows, Hk·D]; nil where the attention was cut.
  private let layers: [(keys: Tensor, values: Tensor)?]
  private let backend: any ComputeBackend

  public init(_ config: LlamaConfig, rows: Int, on backend: any ComputeBackend) throws(BackendError) {
    self.rows = rows
    self.backend = backend
    var layers: [(keys: Tensor, values: Tensor)?] = []
    for layer in config.layers {
      guard layer.queryHeads > 0 else {
        layers.append(nil)
        continue
      }
      let columns = layer.keyHeads * config.headDim
      layers.append(
        (try Tensor(rows, columns, backend.activations, on: backend), try Tensor(rows, columns, backend.activations, on: backend)))
    }
    self.layers = layers
  }

  /// Bytes that so many rows take.
  public static func byteCount(_ config: LlamaConfig, rows: Int, on backend: any ComputeBackend) -> Int {
    let columns = config.layers.reduce(0) { $0 + ($1.queryHeads > 0 ? 2 * $1.keyHeads * config.headDim : 0) }
    return rows * columns * backend.activations.block.bytes
  }

  public var byteCount: Int { layers.reduce(0) { $0 + ($1.map { $0.keys.byteCount + $0.values.byteCount } ?? 0) } }

  /// Rows and where they go.
  public struct Move: Sendable, Equatable {
    public var source: Range<Int>
    public var start: Int

    public init(_ source: Range<Int>, to start: Int) { (self.source, self.start) = (source, start) }
  }

  /// Copies rows to where other sequences begin, all at once: no row may be both read and written.
  public func copy(_ moves: [Move]) throws(BackendError) {
    guard moves.contains(where: { !$0.source.isEmpty }) else { return }
    let sources = try Tensor(moves.flatMap { $0.source.map(Int32.init) }, on: backend)
    let targets = try Tensor(moves.flatMap { ($0.start..<$0.start + $0.source.count).map(Int32.init) }, on: backend)
    for case let (keys, values)? in layers {
      backend.copyRows(keys, at: sources, into: keys, at: targets)
      backend.copyRows(values, at: sources, into: values, at: targets)
    }
  }

  /// Copies neighbouring rows into storage of the same model, this one or another; the two places must not overlap.
  public func copy(_ source: Range<Int>, to start: Int, of other: KeyValueRows) {
    for case (let own?, let others?) in zip(layers, other.layers) {
      for (from, into) in [(own.keys, others.keys), (own.values, others.values)] {
        backend.copy(from.rows(source), into: into.rows(start..<start + source.count))
      }
    }
  }

  /// Some tokens of one sequence.
  public struct Run: Sendable, Equatable {
    /// The row of the sequence's first token.
    public var start: Int
    /// Tokens of it whose keys and values are there.
    public var held: Int
    /// Tokens that the pass adds.
    public var count: Int

    public init(start: Int, held: Int, count: Int) { (self.start, self.held, self.count) = (start, held, count) }
  }

  /// A pass over the new tokens of several sequences, in the order of `runs`; each attends to what its sequence holds already.
  public func pass(_ runs: [Run]) throws(BackendError) -> Pass {
    precondition(runs.allSatisfy { $0.count > 0 && $0.start + $0.held + $0.count <= rows }, "key and value rows: \(runs) in \(rows) rows")
    var ranges: [Range<Int>] = []
    var (starts, positions) = ([Int32(0)], [Int32]())
    for run in runs {
      ranges.append(positions.count..<positions.count + run.count)
      positions.append(contentsOf: Int32(run.held)..<Int32(run.held + run.count))
      starts.append(Int32(positions.count))
    }
    let spans = Spans(
      queryStarts: try Tensor(starts, on: backend), keyStarts: try Tensor(runs.map { Int32($0.start) }, on: backend),
      keyCounts: try Tensor(runs.map { Int32($0.held + $0.count) }, on: backend), count: runs.count,
      longestQuery: runs.map(\.count).max() ?? 0)
    let layout = PackedLayout(lengths: runs.map(\.count), positions: try Tensor(positions, on: backend), spans: spans)
    let places = runs.flatMap { run in (run.start + run.held..<run.start + run.held + run.count).map(Int32.init) }
    return Pass(layout: layout, ranges: ranges, places: try Tensor(places, on: backend), layers: layers)
  }

  /// The rows of one pass and where their keys and values go.
  public struct Pass: Sendable {
    public let layout: PackedLayout
    /// Each run's rows of the pass.
    public let ranges: [Range<Int>]
    /// The row of the storage for each row of the pass, [N, 1] i32.
    fileprivate let places: Tensor
    fileprivate let layers: [(keys: Tensor, values: Tensor)?]

    /// Puts the pass's keys and values behind the earlier ones; returns all of the layer's.
    func append(keys: Tensor, values: Tensor, layer: Int) -> (keys: Tensor, values: Tensor) {
      guard let cached = layers[layer] else { preconditionFailure("key and value rows: layer \(layer) has no attention") }
      keys.backend.copyRows(keys, at: nil, into: cached.keys, at: places)
      values.backend.copyRows(values, at: nil, into: cached.values, at: places)
      return cached
    }
  }
}
