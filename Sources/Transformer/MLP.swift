import TensorCore

/// SwiGLU feed-forward (arXiv 2002.05202): what one layer's second sublayer adds to the residual stream.
public struct MLP: Sendable {
  /// [1, C]
  public let norm: Tensor
  /// [I, C], [I, C]
  public let gate: Tensor, up: Tensor
  /// [C, I]
  public let down: Tensor
  let epsilon: Float

  /// x [N, C] → the neurons' activations silu(gate) ⊙ up, [N, I].
  public func hidden<G: Graph>(_ x: G.Value, layer: Int, in graph: G) throws(BackendError) -> G.Value {
    let normed = try graph.norm(x, weight: graph.parameter(norm), epsilon: epsilon)
    let both = try graph.linears(normed, [(graph.parameter(gate), true), (graph.parameter(up), true)])
    return try graph.visit(Site(layer: layer, point: .mlpHidden), graph.gate(both[0], both[1]))
  }

  /// x [N, C] + the sublayer's update, from hidden [N, I].
  public func add<G: Graph>(_ hidden: G.Value, to x: G.Value, layer: Int, in graph: G) throws(BackendError) -> G.Value {
    try graph.add(hidden, through: graph.parameter(down), to: x, at: Site(layer: layer, point: .mlpOut))
  }
}
