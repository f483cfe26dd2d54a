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
  /// The layers to drop, in order of removal: by the greedy search of `hoof prune`, or the plain ranking.
  func suggestDrop(
    given outcomes: [Component: Outcome], means: ComponentMeans?, plan: StudyPlan, monitor: Monitor
  ) throws -> [DropStep] {
    let count = min(options.suggestDrop, model.layers.count - 1)
    let layers = model.layers.indices.map { Component.layer($0) }
    var removals: [(component: Component, outcome: Outcome)]
    if options.oneShot {
      removals = ranked(outcomes).map { (.layer($0), outcomes[.layer($0)]!) }
    } else {
      let search = try RemovalSearch(model, prompts: prompts, plan: plan, means: means, monitor: monitor)
      var greedy = GreedySearch(search, candidates: layers, measured: outcomes)
      try greedy.advance(to: count, monitor: monitor)
      removals = greedy.removals
    }
    return removals.prefix(count).map {
      DropStep(layer: $0.component.layer, divergence: $0.outcome.meanDivergence, perplexity: $0.outcome.perplexity)
    }
  }

  /// The model without several layers at once.
  public func measure(without removed: Set<Int>) throws -> Outcome {
    var cut = CutPlan()
    cut.layers = removed
    return try RemovalSearch(model, prompts: prompts, plan: plan).outcome(of: cut)
  }

  /// About what the greedy search costs; which layers go is not known beforehand, so half of each pass is assumed.
  func greedyFlops(dropping count: Int) -> Double {
    if options.oneShot { return 0 }
    let all = model.config.layers.indices.reduce(0) { $0 + cost.flops(.layer($1)) }
    return Double(max(0, count - 1)) * all * 0.9
  }
}
