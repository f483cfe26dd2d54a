import Evaluation
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
  /// Corrected for the other tasks and groups that were looked at (`HolmCorrection`); nil where there are none.
  public var adjustedPValue: Double?
  /// Of `difference`: 95 %, percentiles of the paired bootstrap; questions are drawn within their tasks. nil where a figure is not a number.
  public let interval: ClosedRange<Double>?
  /// The smallest loss that so many questions would have shown, tested alone and uncorrected (`SmallestLoss`). Only for answers that are right
  /// or wrong, as a share of the questions: of other figures the test does not say how much worse they would have to be.
  public let sensitivity: Sensitivity?

  public enum Sensitivity: Sendable, Equatable {
    case loss(Double)
    /// Not even if the cut had lost all that the base has right.
    case tooFewQuestions
  }

  public enum Verdict: String, Sendable, Equatable {
    case lost, gained
    /// More questions went one way, the figure the other: a few answers outweigh the many.
    case mixed
    case noEvidenceOfHarm = "no evidence of harm at this sample size"
  }

  public static let level = 0.05

  public var smallestLoss: Double? { if case .loss(let loss) = sensitivity { loss } else { nil } }

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
    self.init(base, base: base.value, cut: cut.value, counts: pair.counts, interval: pair.interval(seed: seed))
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
    // The test counts questions; a figure that counts tasks loses as much only if they are of one size.
    let isShareOfQuestions = isWeightedBySize || pairs.allSatisfy { $0.counts.questions == pairs[0].counts.questions }
    self.init(
      first.base, base: base.value, cut: cut.value, counts: counts, interval: Bootstrap.interval(of: differences),
      isShareOfQuestions: isShareOfQuestions)
  }

  private init(
    _ metric: MetricResult, base: Double, cut: Double, counts: QuestionPairs.Counts, interval: ClosedRange<Double>?,
    isShareOfQuestions: Bool = true
  ) {
    (self.metric, isHigherBetter, questions) = (metric.key, metric.isHigherBetter, counts.questions)
    (self.base, self.cut, lost, won) = (base, cut, counts.lost, counts.won)
    (bothRight, bothWrong, self.interval) = (counts.bothRight, counts.bothWrong, interval)
    pValue = SignTest.pValue(lost: lost, won: won)
    sensitivity = counts.bothRight.flatMap { bothRight in
      guard isShareOfQuestions else { return nil }
      let greatest = Double(bothRight + counts.lost) / Double(counts.questions)
      let loss = SmallestLoss.share(questions: counts.questions, changed: counts.lost + counts.won)
      return loss.flatMap { $0 <= greatest ? .loss($0) : nil } ?? .tooFewQuestions
    }
  }
}
