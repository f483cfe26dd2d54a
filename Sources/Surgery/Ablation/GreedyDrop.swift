import TensorCore
import Transformer

/// One removal of a drop suggestion.
public struct DropStep: Sendable, Equatable {
  public let layer: Int
  /// Of the model without this layer and all layers removed before it.
  public let divergence: Double
  public let perplexity: Double
}

extension AblationStudy {
  /// The layers to drop, in order of removal. Greedy: after each removal every remaining layer is measured again, so that interactions
  /// count (the search of SLEB, arXiv 2402.09025, with KL to the full model as the score); or the plain ranking.
  func suggestDrop(
    given outcomes: [Component: Outcome], means: ComponentMeans?, fit: inout MemoryFit, note: (String) throws -> Void,
    monitor: (_ flops: Double, _ activity: String) throws -> Void
  ) throws -> [DropStep] {
    let count = min(options.suggestDrop, model.layers.count - 1)
    if options.oneShot {
      return ranked(outcomes).prefix(count).map {
        DropStep(layer: $0, divergence: outcomes[.layer($0)]!.meanDivergence, perplexity: outcomes[.layer($0)]!.perplexity)
      }
    }
    var removed: Set<Int> = []
    var steps: [DropStep] = []
    for step in 0..<count {
      let candidates: [Component: Outcome]
      if step == 0, model.layers.indices.allSatisfy({ outcomes[.layer($0)] != nil }) {
        candidates = outcomes
      } else {
        candidates = try measureLayers(without: removed, means: means, fit: &fit, note: note) {
          try monitor($0, "removal \(step + 1) of \(count)")
        }
      }
      guard let best = ranked(candidates).first(where: { !removed.contains($0) }), let outcome = candidates[.layer(best)] else { break }
      removed.insert(best)
      steps.append(DropStep(layer: best, divergence: outcome.meanDivergence, perplexity: outcome.perplexity))
    }
    return steps
  }

  /// Each remaining layer taken out of the model that already lacks `removed`.
  func measureLayers(
    without removed: Set<Int>, means: ComponentMeans?, fit: inout MemoryFit, note: (String) throws -> Void,
    monitor: (_ flops: Double) throws -> Void
  ) throws -> [Component: Outcome] {
    var outcomes: [Component: Outcome] = [:]
    let tokens = Double(prompts.reduce(0) { $0 + $1.count })
    for range in plan.groups {
      let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
      let full = try fit.whole(group) { () throws(BackendError) in try PrefixPass(model, group) }
      var reference = try fit.run(group, note: note) { (plan) throws(BackendError) in try Reference(model, full, plan: plan) }
      let pass = try fit.whole(group) { () throws(BackendError) in try PrefixPass(model, group, without: removed) }
      for layer in model.layers.indices where !removed.contains(layer) {
        let outcome = try fit.run(group, note: note) { (plan) throws(BackendError) in
          reference.keep(to: plan)
          return try measure([.layer(layer)], pass, against: reference, means: means, plan: plan)[0]
        }
        outcomes[.layer(layer), default: Outcome([])].prompts += outcome
        try monitor(cost.flops(.layer(layer), without: removed) * Double(group.rows) / tokens)
      }
    }
    return outcomes
  }

  /// The model without several layers at once, in the memory there is.
  public func measure(without removed: Set<Int>) throws -> Outcome {
    var fit = MemoryFit(plan: plan)
    var outcome = Outcome([])
    for range in plan.groups {
      let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
      let full = try fit.whole(group) { () throws(BackendError) in try PrefixPass(model, group) }
      var reference = try fit.run(group, note: { _ in }) { (plan) throws(BackendError) in try Reference(model, full, plan: plan) }
      let cut = try fit.whole(group) { () throws(BackendError) in try PrefixPass(model, group, without: removed) }
      outcome.prompts += try fit.run(group, note: { _ in }) { (plan) throws(BackendError) in
        reference.keep(to: plan)
        return try compare(cut.residuals.last!, with: reference, plan: plan)[0]
      }
    }
    return outcome
  }

  /// About what the greedy search costs; which layers go is not known beforehand, so half of each pass is assumed.
  func greedyFlops(dropping count: Int) -> Double {
    if options.oneShot { return 0 }
    let all = model.config.layers.indices.reduce(0) { $0 + cost.flops(.layer($1)) }
    return Double(max(0, count - 1)) * all * 0.9
  }
}
