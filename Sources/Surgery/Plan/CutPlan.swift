import Formats
import JSON

/// What goes from a model: every kind of cut in one value. Indices are the source's, 0-based; a part that is not named stays.
public struct CutPlan: Sendable, Equatable {
  public var layers: Set<Int> = []
  /// Sublayers of layers that stay.
  public var attention: Set<Int> = []
  public var mlp: Set<Int> = []
  /// Query heads by layer: whole key/value groups, or the same number of each group.
  public var heads: [Int: Set<Int>] = [:]
  /// MLP neurons by layer.
  public var neurons: [Int: Set<Int>] = [:]
  /// Columns of the residual stream.
  public var channels: Set<Int> = []
  /// Repairs of the residual stream, by the layer they stand before, whether it stays or not; the number of layers for one before the final
  /// norm.
  public var patches: [Int: Patch] = [:]
  /// Width of the residual stream after rotation and slicing (SliceGPT); nil leaves it. Follows all other cuts.
  public var width: Int?

  /// A patch of arXiv 2505.24680.
  public struct Patch: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
      /// P = H·diag(d)·Hᵀ with the orthonormal Hadamard matrix H.
      case linear
      /// P = diag(d)
      case diag
    }
    public var kind: Kind
    /// d, one factor for each channel of the source.
    public var scales: [Float]

    public init(kind: Kind, scales: [Float]) {
      self.kind = kind
      self.scales = scales
    }
  }

  public init() {}

  public var isEmpty: Bool { self == CutPlan() }

  /// Layers of which something stays, ascending.
  public func keptLayers(of config: LlamaConfig) -> [Int] {
    config.layers.indices.filter { !layers.contains($0) }
  }

  /// Both cuts in one. A patch of `other` takes the place of one that is there.
  public func joined(with other: CutPlan) -> CutPlan {
    var plan = self
    plan.layers.formUnion(other.layers)
    plan.attention.formUnion(other.attention)
    plan.mlp.formUnion(other.mlp)
    plan.heads.merge(other.heads) { $0.union($1) }
    plan.neurons.merge(other.neurons) { $0.union($1) }
    plan.channels.formUnion(other.channels)
    plan.patches.merge(other.patches) { $1 }
    plan.width = other.width ?? width
    return plan
  }

  /// The same cut, said once: a layer without any sublayer left goes as a whole, what lies in a layer that goes is not named, and a layer
  /// that loses all heads or neurons loses the sublayer.
  public func normalized(for config: LlamaConfig) -> CutPlan {
    var plan = self
    for (index, layer) in config.layers.enumerated() {
      if let gone = heads[index], layer.queryHeads > 0, gone.count >= layer.queryHeads { plan.attention.insert(index) }
      if let gone = neurons[index], layer.intermediateSize > 0, gone.count >= layer.intermediateSize { plan.mlp.insert(index) }
      let hasAttention = layer.queryHeads > 0 && !plan.attention.contains(index)
      let hasMLP = layer.intermediateSize > 0 && !plan.mlp.contains(index)
      // A layer that an earlier cut emptied stays as it is until somebody names it.
      if !hasAttention, !hasMLP, plan.attention.contains(index) || plan.mlp.contains(index) { plan.layers.insert(index) }
    }
    plan.attention = plan.attention.filter { !plan.layers.contains($0) && config.layers[$0].queryHeads > 0 }
    plan.mlp = plan.mlp.filter { !plan.layers.contains($0) && config.layers[$0].intermediateSize > 0 }
    plan.heads = heads.filter { !plan.layers.contains($0.key) && !plan.attention.contains($0.key) && !$0.value.isEmpty }
    plan.neurons = neurons.filter { !plan.layers.contains($0.key) && !plan.mlp.contains($0.key) && !$0.value.isEmpty }
    return plan
  }

  /// The cut as `ModelImport` takes it; `width` is left to `SliceGPT`.
  /// - Parameter details: more for the file's history.
  public func cut(of config: LlamaConfig, method: String, details: JSON.Object = [:]) -> ModelImport.Cut {
    let plan = normalized(for: config)
    var cut = ModelImport.Cut(keepLayers: plan.keptLayers(of: config), method: method, details: details)
    for (layer, gone) in plan.heads { cut.keepHeads[layer] = (0..<config.layers[layer].queryHeads).filter { !gone.contains($0) } }
    for (layer, gone) in plan.neurons { cut.keepNeurons[layer] = (0..<config.layers[layer].intermediateSize).filter { !gone.contains($0) } }
    for layer in plan.attention { cut.keepHeads[layer] = [] }
    for layer in plan.mlp { cut.keepNeurons[layer] = [] }
    if !plan.channels.isEmpty { cut.keepChannels = (0..<config.hiddenSize).filter { !plan.channels.contains($0) } }
    cut.patches = plan.patches.mapValues(\.forImport)
    return cut
  }
}

extension CutPlan {
  public var json: JSON {
    func list(_ indices: Set<Int>) -> JSON { .array(indices.sorted().map { .int($0) }) }
    func lists(_ indices: [Int: Set<Int>]) -> JSON {
      var object = JSON.Object()
      for (layer, gone) in indices.sorted(by: { $0.key < $1.key }) { object[String(layer)] = list(gone) }
      return .object(object)
    }
    var object = JSON.Object()
    for (name, gone) in [("layers", layers), ("attention", attention), ("mlp", mlp), ("channels", channels)] where !gone.isEmpty {
      object[name] = list(gone)
    }
    for (name, gone) in [("heads", heads), ("neurons", neurons)] where !gone.isEmpty { object[name] = lists(gone) }
    if !patches.isEmpty {
      object["patches"] = .array(
        patches.sorted { $0.key < $1.key }.map { place, patch in
          ["layer": .int(place), "kind": .string(patch.kind.rawValue), "scales": .array(patch.scales.map { .double(Double($0)) })]
        })
    }
    if let width { object["width"] = .int(width) }
    return .object(object)
  }
}
