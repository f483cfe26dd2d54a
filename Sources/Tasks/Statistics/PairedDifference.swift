import TensorCore

/// What a cut did to one figure: two models on the same questions, or on the same tasks of a group.
///
/// Which test is fit for which figure: Dror and Reichart 2018, arXiv:1809.01448.
public struct PairedDifference: Sendable, Equatable {
  /// "acc,none"
  public let metric: String
  public let isHigherBetter: Bool
  public let questions: Int
  /// The figure of either model.
  public let base: Double, cut: Double
  /// Questions that the cut answers worse, and better, than the base. Of right and wrong answers: the flips.
  public let lost: Int, won: Int
  /// Questions both models have right, and both have wrong; nil where answers are not simply right or wrong.
  public let bothRight: Int?, bothWrong: Int?
  /// Of `SignTest`.
  public let pValue: Double
  /// Corrected for the other tasks that were looked at (`HolmCorrection`); nil where there are none.
  public var adjustedPValue: Double?
  /// Of `difference`: 95 %, percentiles of the paired bootstrap; questions are drawn within their tasks. nil where a figure is not a number.
  public let interval: ClosedRange<Double>?
  /// The smallest loss, in units of the figure, that so many questions would have shown (`SmallestLoss`); nil where there is none.
  public let smallestLoss: Double?

  public enum Verdict: String, Sendable, Equatable {
    case lost, gained
    /// More questions went one way, the figure the other: a few answers outweigh the many.
    case mixed
    case noEvidenceOfHarm = "no evidence of harm at this sample size"
  }

  public static let level = 0.05

  public var difference: Double { cut - base }

  /// What is left of the figure: cut / base, or base / cut where less is better; below 1 is a loss. nil where it has no meaning.
  public var retained: Double? {
    let ratio = isHigherBetter ? cut / base : base / cut
    return ratio.isFinite && ratio >= 0 ? ratio : nil
  }

  public var verdict: Verdict {
    guard adjustedPValue ?? pValue < PairedDifference.level else { return .noEvidenceOfHarm }
    let isLower = isHigherBetter ? difference < 0 : difference > 0
    let isUpper = isHigherBetter ? difference > 0 : difference < 0
    return lost > won ? (isUpper ? .mixed : .lost) : (isLower ? .mixed : .gained)
  }
}

extension PairedDifference {
  /// Resamples where the bootstrap is not computed but drawn.
  public static let resamples = 10_000

  /// One task.
  ///
  /// - Returns: nil for figures that are not of the same metric and the same number of questions, or of none
  public init?(base: MetricResult, cut: MetricResult, seed: UInt64 = 0) {
    guard let pair = QuestionPairs(base: base, cut: cut) else { return nil }
    self.init(base, base: base.value, cut: cut.value, counts: pair.counts, spread: pair.spread(seed: seed))
  }

  /// The tasks of a group (subgroups replaced by their tasks), aggregated as the group aggregates them. The test takes all their questions
  /// together.
  ///
  /// - Returns: nil where a pair does not fit together, or there is none
  public init?(tasks: [(base: MetricResult, cut: MetricResult)], isWeightedBySize: Bool, seed: UInt64 = 0) {
    let pairs = tasks.compactMap { QuestionPairs(base: $0.base, cut: $0.cut) }
    func parts(_ side: ((base: MetricResult, cut: MetricResult)) -> MetricResult) -> [GroupScore.Part] {
      tasks.map(side).map { GroupScore.Part(value: $0.value, standardError: nil, questions: $0.items.count) }
    }
    guard pairs.count == tasks.count, let first = tasks.first, tasks.allSatisfy({ $0.base.key == first.base.key }),
      let base = GroupScore(parts { $0.base }, isWeightedBySize: isWeightedBySize),
      let cut = GroupScore(parts { $0.cut }, isWeightedBySize: isWeightedBySize)
    else { return nil }
    let counts = pairs.dropFirst().reduce(pairs[0].counts) { $0 + $1.counts }
    var differences = [Double](repeating: 0, count: PairedDifference.resamples)
    for (index, pair) in pairs.enumerated() {
      let weight = isWeightedBySize ? Double(pair.counts.questions) / Double(counts.questions) : 1 / Double(pairs.count)
      let own = pair.resampledDifferences(PairedDifference.resamples, seed: SplitMix64.seed(seed, for: UInt64(index)))
      for draw in differences.indices { differences[draw] += weight * own[draw] }
    }
    self.init(first.base, base: base.value, cut: cut.value, counts: counts, spread: BootstrapSpread(differences))
  }

  private init(_ metric: MetricResult, base: Double, cut: Double, counts: QuestionPairs.Counts, spread: BootstrapSpread) {
    (self.metric, isHigherBetter, questions) = (metric.key, metric.isHigherBetter, counts.questions)
    (self.base, self.cut, lost, won) = (base, cut, counts.lost, counts.won)
    (bothRight, bothWrong, interval) = (counts.bothRight, counts.bothWrong, spread.interval)
    pValue = SignTest.pValue(lost: lost, won: won)
    // Where nothing changes in any resample, nothing is known of how much it would have to.
    let error = spread.standardError.flatMap { $0 > 0 ? SmallestLoss.fromError($0) : nil }
    smallestLoss = counts.bothRight == nil ? error : SmallestLoss.share(questions: questions, changed: lost + won)
  }
}
