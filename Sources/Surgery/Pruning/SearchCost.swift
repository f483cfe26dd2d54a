import Formats
import JSON

/// What a search cost in layer passes: one layer over all calibration prompts; a sublayer counts as half. Beside it what the plain search
/// takes, which runs the cut model from the embedding for every candidate. The journal of an interrupted search changes neither.
public struct SearchCost: Sendable, Equatable {
  public private(set) var layerPasses: Double
  public private(set) var naive: Double

  /// Of the whole model's own pass, which both need.
  init(_ config: LlamaConfig) {
    layerPasses = SearchCost.passes(config, from: 0)
    naive = layerPasses
  }

  /// - Parameters:
  ///   - config: of the model they are taken out of.
  ///   - first: the first layer whose residual streams have to be made again; nil for none.
  mutating func count(_ candidates: [Component], in config: LlamaConfig, sharedFrom first: Int?) {
    if let first { layerPasses += SearchCost.passes(config, from: first) }
    for candidate in candidates {
      let layer = config.layers[candidate.layer]
      let half =
        switch candidate {
        case .attention: layer.intermediateSize > 0 ? 0.5 : 0
        case .mlp: layer.queryHeads > 0 ? 0.5 : 0
        case .layer, .head, .keyHead: 0.0
        }
      layerPasses += SearchCost.passes(config, from: candidate.layer + 1) + half
      naive += SearchCost.passes(config, from: 0) - SearchCost.passes(layer) + half
    }
  }

  /// A cut model that is measured by itself.
  mutating func count(suffixFrom first: Int, of config: LlamaConfig) {
    layerPasses += SearchCost.passes(config, from: first)
    naive += SearchCost.passes(config, from: 0)
  }

  /// A gate's step over a share of the prompts: the whole model, and three passes of the layers from `first` on. No plainer search does the same.
  mutating func count(gated config: LlamaConfig, from first: Int, share: Double) {
    let passes = share * (SearchCost.passes(config, from: 0) + 3 * SearchCost.passes(config, from: first))
    layerPasses += passes
    naive += passes
  }

  private static func passes(_ layer: LlamaConfig.Layer) -> Double {
    (layer.queryHeads > 0 ? 0.5 : 0) + (layer.intermediateSize > 0 ? 0.5 : 0)
  }

  private static func passes(_ config: LlamaConfig, from first: Int) -> Double {
    config.layers[first...].reduce(0) { $0 + passes($1) }
  }

  var json: JSON { ["layer_passes": .double(layerPasses), "naive_layer_passes": .double(naive)] }
}
