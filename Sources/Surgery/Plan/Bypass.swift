import Formats
import TensorCore
import Transformer

/// A whole model in which the parts that a plan cuts are passed by: what the cut model has to compute, made without cutting anything.
/// Independent of how a cut model is built; every cut is proved against it. Slicing (`width`) is not among its parts.
public struct Bypass {
  private let model: Llama
  private let plan: CutPlan
  /// By layer: 0 for what goes, 1 for what stays, [1, heads] and [1, neurons].
  private let headMasks: [Int: Tensor], neuronMasks: [Int: Tensor]
  /// [1, C]
  private let channelMask: Tensor?
  private let bases: [CutPlan.Patch.Kind: PatchBasis]

  public init(_ model: Llama, _ plan: CutPlan) throws {
    precondition(plan.width == nil, "bypass: a slice is more than leaving parts out")
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
    var bases: [CutPlan.Patch.Kind: PatchBasis] = [:]
    for kind in Set(plan.patches.values.map(\.kind)) {
      bases[kind] = try PatchBasis(kind, width: model.config.hiddenSize, on: model.backend)
    }
    self.bases = bases
  }

  /// ids [N, 1] → hidden rows the LM head reads, [N, C].
  public func hidden(_ ids: Tensor, _ layout: PackedLayout) throws(BackendError) -> Tensor {
    let graph = Eager { (site, x) throws(BackendError) in
      switch site.point {
      case .headsOut: return try headMasks[site.layer].map { (mask) throws(BackendError) in try x.masked(by: mask) } ?? x
      case .mlpHidden: return try neuronMasks[site.layer].map { (mask) throws(BackendError) in try x.masked(by: mask) } ?? x
      case .attentionOut: return plan.attention.contains(site.layer) ? try zero(like: x) : x
      case .mlpOut: return plan.mlp.contains(site.layer) ? try zero(like: x) : x
      case .residualIn, .residualMid, .residualOut: return try stream(x)
      }
    }
    var x = try stream(model.embed(ids, in: graph))
    for layer in model.layers {
      x = try patched(stream(layer.enter(x, in: graph)), at: layer.index)
      if plan.layers.contains(layer.index) {
        for weight in [layer.attentionShortcut, layer.mlpShortcut] { x = try stream(layer.shortcut(x, weight, in: graph)) }
      } else {
        x = try layer(x, layout, in: graph)
      }
    }
    if let patch = model.finalPatch { x = try stream(patch(x, in: graph)) }
    x = try patched(x, at: model.layers.count)
    return try graph.norm(x, weight: model.finalNorm, epsilon: Float(model.config.normEpsilon))
  }

  /// The residual stream with the channels that go at zero.
  private func stream(_ x: Tensor) throws(BackendError) -> Tensor {
    try channelMask.map { (mask) throws(BackendError) in try x.masked(by: mask) } ?? x
  }

  private func patched(_ x: Tensor, at place: Int) throws(BackendError) -> Tensor {
    guard let patch = plan.patches[place], let basis = bases[patch.kind] else { return x }
    return try stream(basis.apply(patch, to: x))
  }

  private func zero(like x: Tensor) throws(BackendError) -> Tensor {
    let zero = try x.like()
    x.backend.fill(zero, with: 0)
    return zero
  }
}
