import Evaluation
import Glibc

/// Routers side by side on the held-out texts.
public struct SkipResult: Sendable {
  public enum Router: String, Sendable, CaseIterable {
    /// One set for every text: of all sets that there are to choose from, the best on the calibration texts.
    case fixed = "static"
    /// One set for every text, as `hoof prune` finds them.
    case greedy = "static-greedy"
    case leastDivergence = "static-least-kl"
    case clusters, regression, random, oracle
  }

  /// What the interval says about a router beside the static cut.
  public enum Verdict: String, Sendable {
    case better, worse
    case undecided = "not to be told apart"
    /// Every text got the static cut's set.
    case same
    case notANumber = "not a number"
  }

  public struct Row: Sendable {
    public let router: Router
    public let routing: SkipRouting
    public let figures: SkipFigures
    /// Of KL to the static cut's.
    public let difference: Double
    /// Of that difference, 95 %; nil for the static cut itself, and where it is not a number.
    public let interval: ClosedRange<Double>?
    public let verdict: Verdict?
    /// Layers that run for a token, and the router's own work in shares of a layer.
    public let layerPasses: Double

    public var perplexity: Double { exp(figures.crossEntropy) }
    public var standardError: Double {
      RatioEstimate(sums: figures.divergences, counts: figures.positions).standardError ?? 0
    }
  }

  public let study: SkipStudy
  public let candidates: SkipCandidates
  /// The model without each set, on the texts it was chosen on and on the others; scored positions only.
  public let calibration: [Outcome], heldOut: [Outcome]
  /// The whole model on the held-out texts.
  public let whole: Outcome
  public let rows: [Row]
  /// Each held-out text's cluster.
  public let assignments: [Int]
  /// The set each cluster's texts get.
  public let clusterChoices: [Int]
  /// λ, and how much of what the sets differ by the signal explains on texts left out; nil where it could not be fitted.
  public let regression: (penalty: Double, explained: Double)?
  /// Of the random draws' mean KL.
  public let randomDeviation: Double

  init(
    _ study: SkipStudy, _ candidates: SkipCandidates, calibration: [Outcome], whole: Outcome, heldOut: [Outcome], signals: [[Double]]
  ) {
    (self.study, self.candidates, self.whole) = (study, candidates, whole)
    (self.calibration, self.heldOut) = (calibration, heldOut)
    let (pool, sets, texts) = (candidates.routable, candidates.sets.count, heldOut[0].prompts.count)
    let clusters = candidates.clusters
    let best = SkipRouters.best(of: Array(0..<sets), calibration, on: Array(calibration[0].prompts.indices))
    assignments = signals.map { clusters.nearest($0) }
    clusterChoices = SkipRouters.bestByCluster(of: pool, calibration, clusters.assignments, clusters: clusters.centres.count)
    let model = SkipRouters.regression(of: pool, calibration, signals: candidates.signals)
    regression = model.map { ($0.penalty, $0.explained) }
    let random = SkipRouters.random(of: pool, heldOut, draws: SkipOptions.draws, seed: study.options.seed)
    randomDeviation = random.deviation

    let fixed = SkipFigures(SkipRouting(Array(repeating: best, count: texts), sets: sets), heldOut)
    let cost = RouterCost(study, clusters: clusters.centres.count, sets: pool.count)
    func row(_ router: Router, _ routing: SkipRouting) -> Row {
      SkipResult.row(
        router, routing, SkipFigures(routing, heldOut), fixed, layerPasses: cost.layerPasses(router), seed: study.options.seed)
    }
    func constant(_ router: Router, _ set: Int) -> Row { row(router, SkipRouting(Array(repeating: set, count: texts), sets: sets)) }
    var rows = [
      constant(.fixed, best), constant(.greedy, candidates.greedy), constant(.leastDivergence, candidates.leastDivergence),
      row(.clusters, SkipRouting(assignments.map { [clusterChoices] in clusterChoices[$0] }, sets: sets)),
    ]
    if let model {
      rows.append(row(.regression, SkipRouting(signals.map { SkipRouters.least(of: pool, model.predictions($0)) }, sets: sets)))
    }
    rows += [row(.random, random.routing), row(.oracle, SkipRouting(SkipRouters.oracle(heldOut), sets: sets))]
    self.rows = rows
  }

  private static func row(
    _ router: Router, _ routing: SkipRouting, _ figures: SkipFigures, _ fixed: SkipFigures, layerPasses: Double, seed: Int
  ) -> Row {
    let differences = zip(figures.divergences, fixed.divergences).map { $0 - $1 }
    let interval = router == .fixed ? nil : SkipResult.interval(differences, counts: figures.positions, seed: seed)
    let verdict: Verdict? =
      switch (router, interval) {
      case (.fixed, _): nil
      case (_, nil): .notANumber
      case (_, let interval?):
        differences.allSatisfy { $0 == 0 } ? .same : interval.upperBound < 0 ? .better : interval.lowerBound > 0 ? .worse : .undecided
      }
    return Row(
      router: router, routing: routing, figures: figures, difference: figures.meanDivergence - fixed.meanDivergence, interval: interval,
      verdict: verdict, layerPasses: layerPasses)
  }

  /// Of Σ differences / Σ positions: texts are drawn anew, both sides of a text together.
  static func interval(_ differences: [Double], counts: [Double], seed: Int) -> ClosedRange<Double>? {
    let texts = zip(differences, counts).map { SIMD4($0, $1, 0, 0) }
    return Bootstrap.interval(
      of: Bootstrap.resamples(of: texts, count: SkipOptions.resamples, seed: UInt64(truncatingIfNeeded: seed)) { $0[0] / $0[1] })
  }

  public func row(_ router: Router) -> Row? { rows.first { $0.router == router } }
}

/// What choosing costs, in passes of one layer for one token. The layers that a signal needs run anyway, whatever is chosen behind them.
private struct RouterCost {
  private let kept: Double
  /// Floating-point operations of one layer for one token.
  private let layer: Double
  private let tokensPerText: Double
  private let signal: Double, clusters: Double, regression: Double

  init(_ study: SkipStudy, clusters: Int, sets: Int) {
    let (config, lengths) = (study.model.config, study.heldOut.map(\.count))
    let (cost, tokens) = (StudyCost(config, lengths: lengths), Double(lengths.reduce(0, +)))
    layer = (cost.full - cost.pass(0..<0)) / (Double(config.layers.count) * tokens)
    kept = Double(config.layers.count - study.options.drop)
    tokensPerText = tokens / Double(lengths.count)
    let width = Double(config.hiddenSize)
    // A sum over the first tokens, then subtracting and scaling.
    signal = Double(study.options.promptTokens) * width + 2 * width
    self.clusters = 3 * width * Double(clusters)
    regression = 2 * width * Double(sets)
  }

  func layerPasses(_ router: SkipResult.Router) -> Double {
    let work =
      switch router {
      case .fixed, .greedy, .leastDivergence, .random, .oracle: 0.0
      case .clusters: signal + clusters
      case .regression: signal + regression
      }
    return kept + work / tokensPerText / layer
  }
}
