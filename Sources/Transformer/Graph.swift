import TensorCore

/// A point of the forward pass where a value can be looked at or replaced.
public struct Site: Sendable, Hashable {
  public enum Point: Sendable, CaseIterable {
    /// Residual stream entering the layer, [N, C].
    case residualIn
    /// Concatenated heads, the input of the attention's output projection, [N, Hq·D].
    case headsOut
    /// What the attention sublayer adds to the residual stream, [N, C].
    case attentionOut
    /// Residual stream between the sublayers, [N, C].
    case residualMid
    /// silu(gate) ⊙ up, the input of the MLP's down projection, [N, I].
    case mlpHidden
    /// What the MLP sublayer adds to the residual stream, [N, C].
    case mlpOut
    /// Residual stream leaving the layer, [N, C].
    case residualOut
  }

  public var layer: Int
  public var point: Point

  public init(layer: Int, point: Point) {
    self.layer = layer
    self.point = point
  }
}

/// What a forward pass is written against: plain tensors (`Eager`), or variables that a tape records for training.
public protocol Graph {
  associatedtype Value
  func parameter(_ tensor: Tensor) -> Value
  /// table [V, C], ids [N, 1] → [N, C]
  func embed(_ ids: Tensor, in table: Value) throws(BackendError) -> Value
  /// x [N, K], weight [M, K] → [N, M], an activation; or f32, unrounded, for an op that makes an activation of it
  func linear(_ x: Value, _ weight: Value, rounded: Bool) throws(BackendError) -> Value
  /// Several linear maps of one x, in their order.
  func linears(_ x: Value, _ weights: [(weight: Value, rounded: Bool)]) throws(BackendError) -> [Value]
  /// x [N, C] f32 ⊙ factors [1, C]
  func scale(_ x: Value, by factors: Value) throws(BackendError) -> Value
  func norm(_ x: Value, weight: Value, epsilon: Float) throws(BackendError) -> Value
  /// x [N, H·D] f32 → an activation
  func rotate(_ x: Value, positions: Tensor, frequencies: Tensor, _ shape: RopeShape) throws(BackendError) -> Value
  /// Attention of layer `layer`; what a graph remembers between passes, it remembers by layer.
  func attend(q: Value, k: Value, v: Value, _ spans: Spans, _ shape: AttentionShape, layer: Int) throws(BackendError) -> Value
  /// silu(gate) ⊙ up
  func gate(_ gate: Value, _ up: Value) throws(BackendError) -> Value
  /// The residual stream x [N, C] plus a sublayer's update y·weightᵀ; y [N, K], weight [C, K]. The update can be seen at `site`.
  func add(_ y: Value, through weight: Value, to x: Value, at site: Site) throws(BackendError) -> Value
  /// Hook point; the identity unless somebody asked.
  func visit(_ site: Site, _ x: Value) throws(BackendError) -> Value
}

extension Graph {
  public func linears(_ x: Value, _ weights: [(weight: Value, rounded: Bool)]) throws(BackendError) -> [Value] {
    var values: [Value] = []
    for (weight, rounded) in weights { values.append(try linear(x, weight, rounded: rounded)) }
    return values
  }
}
