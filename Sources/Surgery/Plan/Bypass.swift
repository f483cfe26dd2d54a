import Formats
import TensorCore
import Transformer

/// A whole model in which the parts that a plan cuts are passed by: what the cut model has to compute, made without cutting anything.
/// Independent of how a cut model is built; every cut is proved against it. Slicing (`width`) and patches are not among its parts.
public struct Bypass {
  private let model: Llama
  private let plan: CutPlan
  /// By layer: 0 for what goes, 1 for what stays, [1, heads] and [1, neurons].
  private let headMasks: [Int: Tensor], neuronMasks: [Int: Tensor]
  /// [1, C]
  private let channelMask: Tensor?

  public init(_ model: Llama, _ plan: CutPlan) throws(BackendError) {
    precondition(plan.width == nil && plan.patches.isEmpty, "bypass: a slice or a patch is more than leaving parts out")
    let plan = plan.normalized(for: model.config)
    self.model = model
    self.plan = plan
    func mask(_ gone: Set<Int>, of count: Int) throws(BackendError) -> Tensor {
      try Tensor((0..<count).map { gone.contains($0) ? Float(0) : 1 }, rows: 1, columns: count, on: model.backend)
    }
    var (heads, neurons): ([Int: Tensor], [Int: Tensor]) = ([:], [:])
    for (layer, gone) in plan.heads { heads[layer] = try mask(gone, of: model.config.layers[layer].queryHeads) }
    for (layer, gone) in plan.neurons { neurons[layer] = try mask(gone, of: model.config.layers[layer].intermediateSize) }
    (headMasks, neuronMasks) = (heads, neurons)
    channelMask = plan.channels.isEmpty ? nil : try mask(plan.channels, of: model.config.hiddenSize)
  }

  /// ids [N, 1] → hidden rows the LM head reads, [N, C].
  public func hidden(_ ids: Tensor, _ layout: PackedLayout) throws(BackendError) -> Tensor {
    let graph = Eager(at: [.headsOut, .attentionOut, .mlpHidden, .mlpOut]) { (site, x) throws(BackendError) in
      switch site.point {
      case .headsOut: return try headMasks[site.layer].map { (mask) throws(BackendError) in try x.masked(by: mask) } ?? x
      case .mlpHidden: return try neuronMasks[site.layer].map { (mask) throws(BackendError) in try x.masked(by: mask) } ?? x
      case .attentionOut: return try update(x, isGone: plan.attention.contains(site.layer))
      case .mlpOut: return try update(x, isGone: plan.mlp.contains(site.layer))
      case .residualIn, .residualMid, .residualOut: return x
      }
    }
    let embedded = try update(model.embed(ids, in: graph), isGone: false)
    let x = try model.run(embedded, layout, layers: 0..<model.layers.count, without: plan.layers, in: graph)
    return try model.finish(x, in: graph)
  }

  private func update(_ x: Tensor, isGone: Bool) throws(BackendError) -> Tensor {
    if isGone {
      let zero = try x.like()
      x.backend.fill(zero, with: 0)
      return zero
    }
    return try channelMask.map { (mask) throws(BackendError) in try x.masked(by: mask) } ?? x
  }
}
