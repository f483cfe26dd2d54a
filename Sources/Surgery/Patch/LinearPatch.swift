import Formats
import TensorCore
import Transformer

/// LinearPatch (arXiv 2505.24680): a linear map where layers were cut, which gives the residual stream the magnitudes that the layers behind
/// the cut are used to.
///
/// With the orthonormal Hadamard matrix H, X the stream that enters the next layer that stays in the whole model, and Y the stream there in
/// the cut one, both [tokens, C]:
///
///     d_k = mean over prompts of  mean_t |(X·H)_tk| / mean_t |(Y·H)_tk|        P = H·diag(d)·Hᵀ        y ← y·P
///
/// H spreads the few channels that are hundreds of times larger than the rest over all of them; `diag` leaves H out, P = diag(d).
///
/// What differs from the paper and its code: several cuts have a patch each, fitted from front to back with those before in their places,
/// where the paper knows one contiguous block, for which both are the same. H is another matrix of its size where the size is no power of
/// two (see `Hadamard`). A ratio whose denominator is zero says nothing and does not count; without any, d_k = 1. A patch that makes the
/// divergence on the calibration prompts larger is left out. Nothing is trained.
public struct LinearPatch {
  /// What became of one place.
  public struct Decision: Sendable, Equatable {
    /// The layer of the source the patch stands before; the number of layers for the final norm.
    public let place: Int
    /// As it was fitted, kept or not.
    public let patch: CutPlan.Patch
    /// KL(whole ‖ cut) on the calibration prompts, mean over positions, with the patches before this one: without it and with it.
    public let before: Double, after: Double
    /// A divergence that is NaN on both sides keeps nothing.
    public var isKept: Bool { after <= before }
  }

  public struct Result: Sendable {
    /// The plan with the patches that are kept.
    public let plan: CutPlan
    /// From front to back.
    public let decisions: [Decision]

    /// What the user should know, a sentence each: the patches that were left out.
    public var notes: [String] {
      decisions.filter { !$0.isKept }.map {
        "no patch before layer \($0.place): it would raise the calibration KL from \($0.before) to \($0.after)"
      }
    }
  }

  /// Where a plan has something to repair: the next layer that stays behind each layer or sublayer that goes, ascending; the number of
  /// layers stands for the final norm. A patch acts between layers, so one for a lost attention stands behind the layer's MLP.
  public static func places(of plan: CutPlan, in config: LlamaConfig) -> [Int] {
    let plan = plan.normalized(for: config)
    let kept = plan.keptLayers(of: config)
    let gone = plan.layers.union(plan.attention).union(plan.mlp)
    return Set(gone.map { layer in kept.first { $0 > layer } ?? config.layers.count }).sorted()
  }

  /// Fits a patch at every place of the plan and keeps those that help. Channels are cut after the fit, and count in the decision.
  /// - Parameters:
  ///   - base: the whole model.
  ///   - source: what `base` was loaded from.
  ///   - plan: patches that it has already are fitted anew; `width` must be nil (slicing follows).
  ///   - kind: `linear` needs a Hadamard matrix of the model's width.
  ///   - prompts: calibration texts; `studyPlan` says how many are run together. For all of them two residual streams are kept, so that no
  ///     layer is computed twice.
  ///   - monitor: called before each place; throwing ends the fit.
  public static func fit(
    base: Llama, source: ModelSource, plan: CutPlan, kind: CutPlan.Patch.Kind, prompts: [[Int32]], studyPlan: StudyPlan,
    monitor: (_ place: Int, _ places: [Int]) throws -> Void = { _, _ in }
  ) throws -> Result {
    precondition(plan.width == nil, "patch: a model is sliced after it is patched")
    precondition(base.config == source.config, "patch: the model is not the source's")
    let basis = try PatchBasis(kind, width: base.config.hiddenSize, on: base.backend)
    var plan = plan
    plan.patches = [:]
    func cut(_ plan: CutPlan) throws -> Llama {
      try Llama(ModelImport(source, cut: plan.cut(of: source.config, method: "patch")), on: base.backend, sharing: base)
    }
    var wide = plan
    wide.channels = []
    let cutWide = try cut(wide)
    let kept = plan.normalized(for: base.config).keptLayers(of: base.config)
    var walks: [Walk] = []
    for range in studyPlan.groups {
      walks.append(try Walk(base, cutWide, PromptGroup(prompts: range, of: prompts, on: base.backend), kept: kept))
    }
    let comparison = try ModelComparison(base: base, prompts: prompts, plan: studyPlan)
    var divergence = try comparison.outcome(of: cut(plan)).meanDivergence
    var decisions: [Decision] = []
    let places = places(of: plan, in: base.config)
    for place in places {
      try monitor(place, places)
      var ratios = MeanRatios(width: base.config.hiddenSize)
      for index in walks.indices {
        try walks[index].advance(to: place)
        try walks[index].observe(basis, into: &ratios)
      }
      let patch = CutPlan.Patch(kind: kind, scales: ratios.means)
      var patched = plan
      patched.patches[place] = patch
      let decision = Decision(
        place: place, patch: patch, before: divergence, after: try comparison.outcome(of: cut(patched)).meanDivergence)
      decisions.append(decision)
      guard decision.isKept else { continue }
      (plan, divergence) = (patched, decision.after)
      for index in walks.indices { try walks[index].apply(patch, basis) }
    }
    return Result(plan: plan, decisions: decisions)
  }
}

/// Mean over prompts of ratios, by column.
struct MeanRatios {
  private var sums: [Double]
  private var counts: [Int]

  init(width: Int) { (sums, counts) = ([Double](repeating: 0, count: width), [Int](repeating: 0, count: width)) }

  mutating func add(_ numerators: [Float], over denominators: [Float]) {
    for (column, (above, below)) in zip(numerators, denominators).enumerated() {
      let ratio = Double(above) / Double(below)
      // Zero below, or a model that overflows: says nothing about the column.
      guard below > 0, ratio.isFinite else { continue }
      sums[column] += ratio
      counts[column] += 1
    }
  }

  var means: [Float] { zip(sums, counts).map { $1 == 0 ? 1 : Float($0 / Double($1)) } }
}

/// The same prompts on their way through the whole model and through the cut one, from place to place.
private struct Walk {
  private let base: Llama, cut: Llama
  private let group: PromptGroup
  /// Layers of the whole model that the cut one has.
  private let kept: [Int]
  /// Streams as they leave the last layer that was run, [N, C].
  private var whole: Tensor, left: Tensor
  private var wholeLayer = 0, leftLayer = 0
  /// Whether `left` has entered the layer `leftLayer` already, which patches do.
  private var hasEntered = false

  init(_ base: Llama, _ cut: Llama, _ group: PromptGroup, kept: [Int]) throws(BackendError) {
    (self.base, self.cut, self.group, self.kept) = (base, cut, group, kept)
    whole = try base.embed(group.ids, in: Eager())
    left = try cut.embed(group.ids, in: Eager())
  }

  /// Both streams arrive before layer `place` of the whole model.
  mutating func advance(to place: Int) throws(BackendError) {
    let target = kept.firstIndex(of: place) ?? kept.count
    whole = try base.run(whole, group.layout, layers: wholeLayer..<place, in: Eager(ownsStream: true))
    if hasEntered, leftLayer < target {
      left = try cut.layers[leftLayer](left, group.layout, in: Eager(ownsStream: true))
      leftLayer += 1
      hasEntered = false
    }
    left = try cut.run(left, group.layout, layers: leftLayer..<target, in: Eager(ownsStream: true))
    (wholeLayer, leftLayer) = (place, target)
  }

  /// Adds every prompt's ratios to `ratios`.
  func observe(_ basis: PatchBasis, into ratios: inout MeanRatios) throws(BackendError) {
    let wanted = try basis.coordinates(of: entering(base, wholeLayer, whole))
    let found = try basis.coordinates(of: entering(cut, leftLayer, left))
    var start = 0
    for length in group.layout.lengths {
      let rows = start..<start + length
      start += length
      ratios.add(try magnitudes(wanted.rows(rows)), over: try magnitudes(found.rows(rows)))
    }
  }

  /// The cut model goes on with its stream patched.
  mutating func apply(_ patch: CutPlan.Patch, _ basis: PatchBasis) throws(BackendError) {
    left = try basis.apply(patch, to: entering(cut, leftLayer, left))
    hasEntered = true
  }

  /// The stream behind the patch that an earlier cut left there.
  private func entering(_ model: Llama, _ layer: Int, _ x: Tensor) throws(BackendError) -> Tensor {
    if layer < model.layers.count { return try model.layers[layer].enter(x, in: Eager()) }
    guard let patch = model.finalPatch else { return x }
    return try patch(x, in: Eager())
  }

  /// Σ_t |x_tk| for each column; both sides of a ratio have the same tokens.
  private func magnitudes(_ x: Tensor) throws(BackendError) -> [Float] {
    let sums = try Tensor(ActivationStatistic.allCases.count, x.columns, on: x.backend)
    let weights = try Tensor(x.rows, 1, on: x.backend)
    x.backend.fill(weights, with: 1)
    x.backend.activationStatistics(x, rowWeights: weights, threshold: 0, into: sums)
    let row = ActivationStatistic.absoluteSum.rawValue
    return try sums.rows(row..<row + 1).floats()
  }
}
