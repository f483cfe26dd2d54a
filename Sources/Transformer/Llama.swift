import Formats
import TensorCore

/// A Llama-family decoder on one backend. The forward pass is in pieces, so that a study can enter it at any layer.
public struct Llama: Sendable {
  public let config: LlamaConfig
  /// [V, C]
  public let embedding: Tensor
  public let layers: [DecoderLayer]
  /// Comes before the final norm.
  public let finalPatch: ResidualMap?
  /// [1, C]
  public let finalNorm: Tensor
  /// [V, C]; the embedding itself when they are tied.
  public let head: Tensor

  public var backend: any ComputeBackend { embedding.backend }

  /// ids [N, 1] → residual stream [N, C]
  public func embed<G: Graph>(_ ids: Tensor, in graph: G) throws(BackendError) -> G.Value {
    try graph.embed(ids, in: graph.parameter(embedding))
  }

  /// Runs the layers of `range`; those in `removed` are passed by.
  public func run<G: Graph>(
    _ x: G.Value, _ layout: PackedLayout, layers range: Range<Int>, without removed: Set<Int> = [], in graph: G
  ) throws(BackendError) -> G.Value {
    var x = x
    for layer in layers[range] {
      x = try layer.enter(x, in: graph)
      x = removed.contains(layer.index) ? try layer.bypass(x, in: graph) : try layer(x, layout, in: graph)
    }
    return x
  }

  /// Residual stream leaving the last layer → hidden rows the LM head reads, [N, C], activations.
  public func finish<G: Graph>(_ x: G.Value, in graph: G) throws(BackendError) -> G.Value {
    let x = try finalPatch.map { (patch) throws(BackendError) in try patch(x, in: graph) } ?? x
    return try graph.norm(x, weight: graph.parameter(finalNorm), epsilon: Float(config.normEpsilon))
  }

  /// ids [N, 1] → hidden rows the LM head reads, [N, C].
  public func hidden<G: Graph>(
    _ ids: Tensor, _ layout: PackedLayout, without removed: Set<Int> = [], in graph: G
  ) throws(BackendError) -> G.Value {
    let x = try run(embed(ids, in: graph), layout, layers: 0..<layers.count, without: removed, in: graph)
    return try finish(x, in: graph)
  }

  /// The same of some rows only, [R, C]: behind the last layer's attention nobody reads the others.
  /// - Parameter kept: ascending; none where only keys and values are wanted.
  public func hidden(_ ids: Tensor, _ layout: PackedLayout, rows kept: [Int32], in graph: Eager) throws(BackendError) -> Tensor {
    let whole = kept.count == layout.rows
    let inner = whole || layers.isEmpty ? layers.count : layers.count - 1
    var x = try run(embed(ids, in: graph), layout, layers: 0..<inner, in: graph)
    if inner < layers.count, let last = layers.last {
      x = try last.enter(x, in: graph)
      let heads = try last.attention.map { (attention) throws(BackendError) in
        try attention.heads(x, layout, layer: last.index, in: graph)
      }
      guard !kept.isEmpty else { return x.rows(0..<0) }
      let places = try Tensor(kept, on: backend)
      x = try x.gathered(at: places)
      x = try last.shortcut(x, last.attentionShortcut, in: graph)
      if let attention = last.attention, let heads {
        x = try attention.add(heads.gathered(at: places), to: x, layer: last.index, in: graph)
      }
      x = try last.feedForward(x, in: graph)
    } else if !whole {
      x = try x.gathered(at: Tensor(kept, on: backend))
    }
    return try finish(x, in: graph)
  }

  /// Logits of every position of `sequences`, one [length, V] tensor each. For short texts: a text's logits are large.
  public func logits(_ sequences: [[Int32]]) throws(BackendError) -> [Tensor] {
    let layout = try PackedLayout(lengths: sequences.map(\.count), on: backend)
    let ids = try Tensor(Array(sequences.joined()), on: backend)
    let all = try hidden(ids, layout, in: Eager(ownsStream: true)).linear(head)
    var start = 0
    return sequences.map { sequence in
      defer { start += sequence.count }
      return all.rows(start..<start + sequence.count)
    }
  }
}
