/// One thing an ablation study takes out of a model. Indices are 0-based.
public enum Component: Sendable, Hashable {
  /// The whole decoder layer: output = input.
  case layer(Int)
  /// The attention sublayer's update; the MLP still runs.
  case attention(Int)
  /// The MLP sublayer's update; the attention still runs.
  case mlp(Int)
  /// One query head: its slice of the input of the output projection.
  case head(layer: Int, head: Int)
  /// All query heads that share one key/value head.
  case keyHead(layer: Int, keyHead: Int)

  public var layer: Int {
    switch self {
    case .layer(let layer), .attention(let layer), .mlp(let layer), .head(let layer, _), .keyHead(let layer, _): layer
    }
  }

  /// Whether the layer's MLP still has to run after the change.
  var runsMLP: Bool {
    switch self {
    case .layer, .mlp: false
    case .attention, .head, .keyHead: true
    }
  }
}

/// What stands in for a component that is taken out.
public enum Replacement: String, Sendable, CaseIterable {
  /// Nothing: its contribution is zero.
  case zero
  /// Its mean contribution over all calibration tokens ("mean ablation", arXiv 2211.00593).
  case mean
}
