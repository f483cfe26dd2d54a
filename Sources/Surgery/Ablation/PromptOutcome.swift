import Evaluation
import Glibc

/// What one changed model did on one prompt, summed over the prompt's positions. Divergences are KL(full ‖ changed) in nats.
public struct PromptOutcome: Sendable, Equatable {
  public var positions: Int
  public var divergence: Double
  public var lastDivergence: Double
  public var greatestDivergence: Double
  /// -ln p of every next token; the last position has none.
  public var loss: Double
  /// Positions whose arg-max is the full model's.
  public var agreements: Int
  /// Jensen-Shannon divergence of both models in nats; nil where it was not asked for.
  public var jensenShannon: Double?

  public init(
    positions: Int, divergence: Double, lastDivergence: Double, greatestDivergence: Double, loss: Double, agreements: Int,
    jensenShannon: Double? = nil
  ) {
    self.positions = positions
    self.divergence = divergence
    self.lastDivergence = lastDivergence
    self.greatestDivergence = greatestDivergence
    self.loss = loss
    self.agreements = agreements
    self.jensenShannon = jensenShannon
  }

  /// From the per-row results of one prompt.
  init(
    divergences: ArraySlice<Float>, losses: ArraySlice<Float>, winners: ArraySlice<Int32>, originals: ArraySlice<Int32>,
    jensenShannon: ArraySlice<Float>? = nil
  ) {
    self.init(
      positions: divergences.count, divergence: divergences.reduce(0) { $0 + Double($1) },
      lastDivergence: divergences.last.map(Double.init) ?? 0,
      greatestDivergence: divergences.max().map(Double.init) ?? 0, loss: losses.reduce(0) { $0 + Double($1) },
      agreements: zip(winners, originals).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) },
      jensenShannon: jensenShannon?.reduce(0) { $0 + Double($1) })
  }
}

/// What one changed model did on all prompts.
public struct Outcome: Sendable, Equatable {
  public var prompts: [PromptOutcome]
  public init(_ prompts: [PromptOutcome]) { self.prompts = prompts }

  public var positions: Int { prompts.reduce(0) { $0 + $1.positions } }
  private var scored: Int { prompts.reduce(0) { $0 + max(0, $1.positions - 1) } }

  /// Mean over all positions of all prompts; long prompts weigh more.
  public var meanDivergence: Double { prompts.reduce(0) { $0 + $1.divergence } / Double(max(1, positions)) }
  /// Mean over all positions; nil where it was not measured.
  public var meanJensenShannon: Double? {
    let sums = prompts.compactMap(\.jensenShannon)
    return sums.isEmpty || sums.count < prompts.count ? nil : sums.reduce(0, +) / Double(max(1, positions))
  }
  /// Mean over prompts of each prompt's mean.
  public var meanDivergencePerPrompt: Double { mean { $0.divergence / Double($0.positions) } }
  public var meanLastDivergence: Double { mean(\.lastDivergence) }
  public var greatestDivergence: Double { prompts.map(\.greatestDivergence).max() ?? 0 }
  public var crossEntropy: Double { prompts.reduce(0) { $0 + $1.loss } / Double(max(1, scored)) }
  public var perplexity: Double { exp(crossEntropy) }
  public var agreement: Double { Double(prompts.reduce(0) { $0 + $1.agreements }) / Double(max(1, positions)) }

  /// Standard error of `meanDivergence` with prompts as clusters: positions of one prompt are not independent draws.
  /// 0 for a single prompt.
  public var divergenceStandardError: Double {
    RatioEstimate(sums: prompts.map(\.divergence), counts: prompts.map { Double($0.positions) }).standardError ?? 0
  }

  private func mean(_ value: (PromptOutcome) -> Double) -> Double {
    prompts.reduce(0) { $0 + ($1.positions == 0 ? 0 : value($1)) } / Double(max(1, prompts.count))
  }
}
