/// What a search compares candidates by: the lower, the sooner a part goes.
public enum SearchMetric: String, Sendable, CaseIterable {
  /// KL(full ‖ cut), nats.
  case kl
  /// -ln p of the calibration texts' own next tokens (SLEB, arXiv 2402.09025).
  case nll
  /// Jensen-Shannon divergence of full and cut model, nats (FinerCut, arXiv 2405.18218).
  case js

  /// The mean over positions. A model that overflows without a part needs it most.
  public func score(_ outcome: Outcome) -> Double {
    let score =
      switch self {
      case .kl: outcome.meanDivergence
      case .nll: outcome.crossEntropy
      case .js: outcome.meanJensenShannon ?? .nan
      }
    return score.isNaN ? .infinity : score
  }

  /// Whether `a` goes before `b`: by score, then by place.
  func prefers(_ a: Component, _ b: Component, in outcomes: [Component: Outcome]) -> Bool {
    (score(outcomes[a]!), a.layer, a.runsMLP ? 0 : 1) < (score(outcomes[b]!), b.layer, b.runsMLP ? 0 : 1)
  }
}
