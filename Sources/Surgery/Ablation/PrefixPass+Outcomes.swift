import TensorCore
import Transformer

extension PrefixPass {
  /// Outcomes of each component on the group's prompts, taken out of this pass's model alone. All are of one layer, those whose MLP runs
  /// first. Runs as many changed models side by side as the plan allows.
  /// - Parameter jensenShannon: whether that divergence is measured too.
  func outcomes(
    without components: [Component], against reference: Reference, means: ComponentMeans? = nil, plan: StudyPlan,
    jensenShannon: Bool = false
  ) throws(BackendError) -> [[PromptOutcome]] {
    guard let layer = components.first?.layer else { return [] }
    let interventions = try LayerInterventions(
      model, layer: layer, group.layout, entering: residuals[layer], for: components, means: means)
    let most = max(1, plan.rowsPerBatch / max(1, group.rows))
    let batches = (components.count + most - 1) / most
    var outcomes: [[PromptOutcome]] = []
    for batch in 0..<batches {
      // Of about the same size: a last batch of a few rows would leave a large device idle.
      let block = Array(components[batch * components.count / batches..<(batch + 1) * components.count / batches])
      let x = try model.run(
        interventions.leaving(block), group.layouts(block.count), layers: layer + 1..<model.layers.count, in: Eager(ownsStream: true))
      outcomes += try reference.outcomes(of: model, leaving: x, plan: plan, jensenShannon: jensenShannon)
    }
    return outcomes
  }
}

extension Reference {
  /// Residual streams leaving the stack of changed models [copies·N, C] → their outcomes against this one.
  /// - Parameter model: whose final norm and head they go through.
  func outcomes(
    of model: Llama, leaving x: Tensor, plan: StudyPlan, jensenShannon: Bool = false
  ) throws(BackendError) -> [[PromptOutcome]] {
    let rows = try DivergenceRows(rows: x.rows, on: model.backend)
    let hidden = try model.finish(x, in: Eager())
    try model.backend.linearDivergence(
      of: divergence, from: hidden, weight: model.head, targets: group.targets, rowsPerChunk: plan.rowsPerChunk, into: rows)
    let shannon =
      jensenShannon
      ? try JensenShannon(rowsPerChunk: plan.rowsPerChunk).rows(of: divergence, from: hidden, weight: model.head) : nil
    return try rows.outcomes(of: group, originals: winners, jensenShannon: shannon)
  }
}
