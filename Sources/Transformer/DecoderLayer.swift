import TensorCore

/// One pre-norm decoder layer; either sublayer may have been cut.
public struct DecoderLayer: Sendable {
  public let index: Int
  public let attention: Attention?
  public let mlp: MLP?

  /// x [N, C] → [N, C]
  public func callAsFunction<G: Graph>(_ x: G.Value, _ layout: PackedLayout, in graph: G) throws(BackendError) -> G.Value {
    let entering = try graph.visit(Site(layer: index, point: .residualIn), x)
    let middle = try graph.visit(Site(layer: index, point: .residualMid), attend(entering, layout, in: graph))
    return try graph.visit(Site(layer: index, point: .residualOut), feedForward(middle, in: graph))
  }

  /// x + attention(x)
  public func attend<G: Graph>(_ x: G.Value, _ layout: PackedLayout, in graph: G) throws(BackendError) -> G.Value {
    guard let attention else { return x }
    let heads = try attention.heads(x, layout, layer: index, in: graph)
    return try attention.add(heads, to: x, layer: index, in: graph)
  }

  /// x + mlp(x)
  public func feedForward<G: Graph>(_ x: G.Value, in graph: G) throws(BackendError) -> G.Value {
    guard let mlp else { return x }
    let hidden = try mlp.hidden(x, layer: index, in: graph)
    return try mlp.add(hidden, to: x, layer: index, in: graph)
  }
}
