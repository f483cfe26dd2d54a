import TensorCore

/// A linear map on the residual stream that an earlier cut left, [C, C] (x·Wᵀ) or [1, C] (a factor for each column). f32, whatever the
/// activations are: the stream is.
public enum ResidualMap: Sendable {
  case linear(Tensor)
  case diagonal(Tensor)

  public var tensor: Tensor {
    switch self {
    case .linear(let tensor), .diagonal(let tensor): tensor
    }
  }

  /// x [N, C] → [N, C]
  public func callAsFunction<G: Graph>(_ x: G.Value, in graph: G) throws(BackendError) -> G.Value {
    switch self {
    case .linear(let weight): try graph.linear(x, graph.parameter(weight), rounded: false)
    case .diagonal(let factors): try graph.scale(x, by: graph.parameter(factors))
    }
  }
}

/// One pre-norm decoder layer; either sublayer may have been cut.
public struct DecoderLayer: Sendable {
  public let index: Int
  public let attention: Attention?
  public let mlp: MLP?
  /// Comes before everything else of the layer, and stays when the layer is left out.
  public let patch: ResidualMap?
  /// [C, C]: what the residual stream is multiplied with where it passes a sublayer by.
  public let attentionShortcut: Tensor?, mlpShortcut: Tensor?

  /// x [N, C] as the layer before leaves it → as it enters this one.
  public func enter<G: Graph>(_ x: G.Value, in graph: G) throws(BackendError) -> G.Value {
    guard let patch else { return x }
    return try patch(x, in: graph)
  }

  /// x [N, C] as it entered → as it leaves when the layer itself is left out.
  public func bypass<G: Graph>(_ x: G.Value, in graph: G) throws(BackendError) -> G.Value {
    try shortcut(shortcut(x, attentionShortcut, in: graph), mlpShortcut, in: graph)
  }

  /// x [N, C] on its way past the sublayer that `weight` belongs to.
  public func shortcut<G: Graph>(_ x: G.Value, _ weight: Tensor?, in graph: G) throws(BackendError) -> G.Value {
    guard let weight else { return x }
    return try graph.linear(x, graph.parameter(weight), rounded: false)
  }

  /// x [N, C] as it entered → as it leaves.
  public func callAsFunction<G: Graph>(_ x: G.Value, _ layout: PackedLayout, in graph: G) throws(BackendError) -> G.Value {
    let entering = try graph.visit(Site(layer: index, point: .residualIn), x)
    let middle = try graph.visit(Site(layer: index, point: .residualMid), attend(entering, layout, in: graph))
    return try graph.visit(Site(layer: index, point: .residualOut), feedForward(middle, in: graph))
  }

  /// x + attention(x)
  public func attend<G: Graph>(_ x: G.Value, _ layout: PackedLayout, in graph: G) throws(BackendError) -> G.Value {
    let passing = try shortcut(x, attentionShortcut, in: graph)
    guard let attention else { return passing }
    let heads = try attention.heads(x, layout, layer: index, in: graph)
    return try attention.add(heads, to: passing, layer: index, in: graph)
  }

  /// x + mlp(x)
  public func feedForward<G: Graph>(_ x: G.Value, in graph: G) throws(BackendError) -> G.Value {
    let passing = try shortcut(x, mlpShortcut, in: graph)
    guard let mlp else { return passing }
    let hidden = try mlp.hidden(x, layer: index, in: graph)
    return try mlp.add(hidden, to: passing, layer: index, in: graph)
  }
}
