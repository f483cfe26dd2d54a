import Formats
import TensorCore
import Transformer

/// Cuts that make a model narrower by a given share, by methods that choose how much each layer loses. Measures once and answers for as many
/// ratios as are asked: each plan of a greater ratio contains those of smaller ones, but for rounding to whole blocks.
public final class WidthPruning {
  /// What Minitron can cut.
  public enum Axis: String, Sendable, CaseIterable {
    case mlp, heads, hidden, depth
  }

  let model: Llama
  let prompts: [[Int32]]
  let study: StudyPlan
  let multiple: Int
  let monitor: AblationStudy.Monitor
  /// Of the uncut model.
  let activity: CalibrationActivity
  /// Passes over the prompts so far.
  public internal(set) var passes = 1
  /// The uncut model's grouped Wanda scores and outliers.
  let wanda: WandaOutliers
  /// What `mrp` has found so far.
  var redundancy: RedundancyPath?

  /// - Parameters:
  ///   - axes: what `minitron` will be asked for; `owl` and `mrp` need the neurons only.
  ///   - multiple: kept neurons and channels are multiples of it.
  ///   - plan: its groups are run together.
  ///   - monitor: called after each group of each pass.
  public init(
    _ model: Llama, prompts: [[Int32]], axes: Set<Axis> = [.mlp], multiple: Int = NeuronSelection.usualMultiple, plan: StudyPlan,
    monitor: @escaping AblationStudy.Monitor = { _ in }
  ) throws {
    var measures: Set<CalibrationActivity.Measure> = [.neurons]
    if axes.contains(.heads) { measures.formUnion([.heads, .keyHeads]) }
    if axes.contains(.hidden) { measures.insert(.normed) }
    if axes.contains(.depth) { measures.insert(.influence) }
    (self.model, self.prompts, study, self.multiple, self.monitor) = (model, prompts, plan, multiple, monitor)
    activity = try CalibrationActivity(model, prompts: prompts, measuring: measures, plan: plan, monitor: monitor)
    wanda = try WandaOutliers(activity, model)
  }

  var sizes: [Int] { model.config.layers.map(\.intermediateSize) }

  /// OWL's budgets (arXiv 2310.05175, M = 5, λ = 0.08), then the least neurons of each layer by grouped Wanda score. One-shot.
  /// Made for single weights; pruning whole neurons by its budgets is ours.
  public func owl(ratio: Double) throws(SelectionError) -> CutPlan {
    let shares = NeuronBudget.owl(outliers: wanda.shares(), sizes: sizes, ratio: ratio)
    let counts = NeuronBudget.counts(shares: shares, sizes: sizes, ratio: ratio, multiple: multiple)
    var plan = CutPlan()
    plan.neurons = try NeuronSelection(scores: wanda.scores, multiple: multiple).keeping(counts)
    return plan
  }

  /// Minitron's width pruning (arXiv 2407.14679, 2408.11796), one-shot, on any of its axes, each with a ratio of its own:
  /// `mlp` the least neurons of each layer by `NeuronScore.minitron`; `heads` by the norm of the output projection's input, ranked inside
  /// groups, as many of each, or whole groups where a head is a group; `hidden` columns of the residual stream by the rows behind both norms
  /// of every layer, √Σ_prompts (mean_tokens |x|)², summed over the norms; `depth` the layers with the least Block Influence.
  /// The paper searches among many such shapes and retrains; this is the cut alone.
  public func minitron(_ ratios: [Axis: Double]) throws -> CutPlan {
    var plan = CutPlan()
    if let ratio = ratios[.mlp] {
      plan.neurons = try NeuronSelection(scores: NeuronScore.minitron.values(activity, model), multiple: multiple).share(ratio)
    }
    if let ratio = ratios[.heads] {
      precondition(activity.layers.contains { $0.heads != nil } || model.layers.allSatisfy { $0.attention == nil }, "minitron: no heads")
      plan.heads = HeadSelection(HeadScores(activity, headDim: model.config.headDim), of: model.config).regular(ratio)
    }
    if let ratio = ratios[.hidden] {
      plan.channels = try NeuronSelection(scores: [channelScores()], multiple: multiple).share(ratio)[0] ?? []
    }
    if let ratio = ratios[.depth] {
      let order = activity.layers.indices.sorted { (-activity.layers[$0].cosines, $0) < (-activity.layers[$1].cosines, $1) }
      plan.layers = Set(order.prefix(min(order.count - 1, NeuronBudget.gone(order.count, ratio))))
    }
    return plan.normalized(for: model.config)
  }

  /// By column of the residual stream.
  func channelScores() -> [Double] {
    var scores = [Double](repeating: 0, count: model.config.hiddenSize)
    for layer in activity.layers {
      for input in [layer.attentionInput, layer.mlpInput].compactMap({ $0 }) {
        for (column, square) in input.squaredPromptMeans.enumerated() { scores[column] += square.squareRoot() }
      }
    }
    return scores
  }
}
