import TensorCore

/// Grouped-query self-attention with rotary positions: what one layer's first sublayer adds to the residual stream.
public struct Attention: Sendable {
  /// [1, C]
  public let norm: Tensor
  /// [Hq·D, C], [Hk·D, C], [Hk·D, C]
  public let query: Tensor, key: Tensor, value: Tensor
  /// [C, Hq·D]
  public let output: Tensor
  public let shape: AttentionShape
  /// [1, D/2]
  let frequencies: Tensor
  let epsilon: Float

  /// x [N, C] → concatenated heads [N, Hq·D], the input of the output projection.
  public func heads<G: Graph>(_ x: G.Value, _ layout: PackedLayout, layer: Int, in graph: G) throws(BackendError) -> G.Value {
    let rope = RopeShape(headDim: shape.headDim)
    let normed = try graph.norm(x, weight: graph.parameter(norm), epsilon: epsilon)
    // Scores stand in an exponent: queries and keys are rounded once, by the rotation, not by their projection too.
    var projected = try graph.linears(
      normed, [(graph.parameter(query), false), (graph.parameter(key), false), (graph.parameter(value), true)])
    let v = projected.removeLast()
    let k = try graph.rotate(projected.removeLast(), positions: layout.positions, frequencies: frequencies, rope)
    let q = try graph.rotate(projected.removeLast(), positions: layout.positions, frequencies: frequencies, rope)
    return try graph.visit(Site(layer: layer, point: .headsOut), graph.attend(q: q, k: k, v: v, layout.spans, shape, layer: layer))
  }

  /// x [N, C] + the sublayer's update, from heads [N, Hq·D].
  public func add<G: Graph>(_ heads: G.Value, to x: G.Value, layer: Int, in graph: G) throws(BackendError) -> G.Value {
    try graph.add(heads, through: graph.parameter(output), to: x, at: Site(layer: layer, point: .attentionOut))
  }
}
