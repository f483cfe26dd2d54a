import Formats

/// Floating-point operations an ablation study cannot do without, once prefixes are shared and heads are computed once. A multiply-add
/// counts as two; norms, rotations and soft-maxes are left out (under 1 %).
public struct StudyCost: Sendable {
  private let config: LlamaConfig
  private let rows: Double
  /// Σ n(n+1)/2 over prompts: query-key pairs under the causal mask.
  private let pairs: Double

  public init(_ config: LlamaConfig, lengths: [Int]) {
    self.config = config
    rows = Double(lengths.reduce(0, +))
    pairs = lengths.reduce(0) { $0 + Double($1 * ($1 + 1) / 2) }
  }

  private func attention(_ layer: Int) -> Double {
    let sizes = config.layers[layer]
    let (query, key) = (Double(sizes.queryHeads * config.headDim), Double(sizes.keyHeads * config.headDim))
    return rows * 2 * Double(config.hiddenSize) * (2 * query + 2 * key) + pairs * 4 * query
  }

  private func mlp(_ layer: Int) -> Double { rows * 6 * Double(config.hiddenSize * config.layers[layer].intermediateSize) }
  private var head: Double { rows * 2 * Double(config.hiddenSize * config.vocabularySize) }

  /// Patch and shortcuts of a layer: they stay when the layer goes.
  private func maps(_ layer: Int) -> Double {
    let sizes = config.layers[layer]
    let count = (sizes.patch == .linear ? 1 : 0) + (sizes.attentionShortcut ? 1 : 0) + (sizes.mlpShortcut ? 1 : 0)
    return Double(count) * map
  }
  private var map: Double { rows * 2 * Double(config.hiddenSize * config.hiddenSize) }

  /// The layers of `range`, and the LM head.
  public func pass(_ range: Range<Int>) -> Double {
    let start = head + (config.finalPatch == .linear ? map : 0)
    return range.reduce(start) { $0 + maps($1) + attention($1) + mlp($1) }
  }

  /// The pass of the full model.
  public var full: Double { pass(config.layers.indices) }

  /// One component's study, given the residual stream entering its layer and the layer's heads.
  public func flops(_ component: Component) -> Double {
    let layer = component.layer
    let rest = pass(layer + 1..<config.layers.count)
    let slice = rows * 2 * Double(config.headDim * config.hiddenSize)
    let sizes = config.layers[layer]
    return switch component {
    case .layer, .mlp: rest
    case .attention: rest + mlp(layer)
    case .head: rest + mlp(layer) + slice
    case .keyHead: rest + mlp(layer) + slice * Double(sizes.queryHeads / sizes.keyHeads)
    }
  }
}
