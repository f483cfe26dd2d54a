import TensorCore
import Transformer

/// The order in which Maximum Redundancy Pruning takes neurons away; a ratio is a place on it.
struct RedundancyPath {
  struct Step {
    let layer: Int
    /// Least score first.
    let neurons: [Int]
  }
  /// What every layer loses before anything is measured anew.
  var start: [Int: Set<Int>]
  private(set) var steps: [Step] = []
  /// By the start and all steps.
  private(set) var removed: [Int: Set<Int>]
  /// No layer can lose anything more.
  var isExhausted = false

  init(start: [Int: Set<Int>]) { (self.start, removed) = (start, start) }

  mutating func append(_ step: Step) {
    steps.append(step)
    removed[step.layer, default: []].formUnion(step.neurons)
  }

  static func count(_ neurons: [Int: Set<Int>]) -> Int { neurons.reduce(0) { $0 + $1.value.count } }
}

extension WidthPruning {
  /// Neurons a layer loses at a time, as a share of its own.
  private static let step = 0.05

  /// Maximum Redundancy Pruning (arXiv 2503.18377), adapted: after a low uniform start, again and again the most redundant layer loses a
  /// few more of its least neurons, until the share is reached. Most redundant is the layer with the highest share of non-outlier weights,
  /// measured anew on the model as it is cut by then; scores are grouped Wanda's, likewise anew.
  ///
  /// MRP spreads the sparsity of single weights over layers. That it drives how many whole neurons each layer keeps is ours, so no published
  /// number applies. Its step, its start and the outliers' threshold could not be read: here they are 5 % of a layer, 5 % of every layer,
  /// and five times the uncut model's mean, held fixed so that a layer that loses weak neurons counts as less redundant. Costs a pass over
  /// the prompts for each step, about 20 · ratio for each layer.
  public func mrp(ratio: Double) throws -> CutPlan {
    let target = NeuronBudget.gone(sizes.reduce(0, +), ratio)
    let selection = try NeuronSelection(scores: wanda.scores, multiple: multiple)
    var path = redundancy ?? RedundancyPath(start: selection.keeping(sizes.map(lowered)))
    var plan = CutPlan()
    guard RedundancyPath.count(path.start) < target else {
      plan.neurons = selection.share(ratio)
      return plan
    }
    while RedundancyPath.count(path.removed) < target, !path.isExhausted {
      try extend(&path)
      redundancy = path
    }
    plan.neurons = path.start
    var left = target - RedundancyPath.count(path.start)
    for step in path.steps where left > 0 {
      // What a step leaves is a whole number of blocks; so is what a part of one leaves.
      let fits = step.neurons.count <= left ? step.neurons.count : left / multiple * multiple
      plan.neurons[step.layer, default: []].formUnion(step.neurons.prefix(fits))
      left = fits < step.neurons.count ? 0 : left - fits
    }
    return plan
  }

  /// What a layer of `count` neurons keeps after one step: whole blocks.
  private func lowered(_ count: Int) -> Int {
    let blocks = (count + multiple - 1) / multiple
    let step = max(1, Int((WidthPruning.step * Double(count) / Double(multiple)).rounded()))
    return min(count, max(1, blocks - step) * multiple)
  }

  /// One more step, measured on the model without what is gone.
  private func extend(_ path: inout RedundancyPath) throws {
    let pass = try CalibrationActivity(
      model, prompts: prompts, measuring: [.neurons], without: path.removed, plan: study, monitor: monitor)
    passes += 1
    let outliers = try WandaOutliers(pass, model, thresholds: wanda.thresholds)
    let shares = outliers.shares(without: path.removed)
    var kept = sizes
    for (layer, gone) in path.removed { kept[layer] -= gone.count }
    // The fewest outliers; of equal layers, the one that has kept most.
    let open = kept.indices.filter { kept[$0] > multiple }
    let standing = { (layer: Int) in (shares[layer] ?? .infinity, -Double(kept[layer]) / Double(self.sizes[layer])) }
    guard let layer = open.min(by: { standing($0) < standing($1) }) else {
      path.isExhausted = true
      return
    }
    let step = sizes[layer] - lowered(sizes[layer])
    let goal = max(multiple, (kept[layer] - max(step, 1) + multiple - 1) / multiple * multiple)
    let order = try NeuronSelection(scores: outliers.scores, multiple: multiple).order(layer)
    let gone = path.removed[layer] ?? []
    let least = order.lazy.filter { !gone.contains($0) }.prefix(max(kept[layer] - goal, multiple))
    path.append(.init(layer: layer, neurons: Array(least)))
  }
}
