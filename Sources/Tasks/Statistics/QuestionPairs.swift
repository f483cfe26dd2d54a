import Evaluation
import TensorCore

/// The answers of two models to the same questions.
struct QuestionPairs {
  struct Counts: Equatable {
    var questions: Int, lost: Int, won: Int
    /// nil where answers are not simply right or wrong
    var bothRight: Int?, bothWrong: Int?

    static func + (a: Counts, b: Counts) -> Counts {
      func sum(_ a: Int?, _ b: Int?) -> Int? { a.flatMap { a in b.map { a + $0 } } }
      return Counts(
        questions: a.questions + b.questions, lost: a.lost + b.lost, won: a.won + b.won, bothRight: sum(a.bothRight, b.bothRight),
        bothWrong: sum(a.bothWrong, b.bothWrong))
    }
  }

  let counts: Counts
  private let base: MetricResult, cut: MetricResult

  /// nil for figures that do not belong together
  init?(base: MetricResult, cut: MetricResult) {
    guard base.key == cut.key, base.aggregation == cut.aggregation, base.isHigherBetter == cut.isHigherBetter,
      base.items.count == cut.items.count, base.weights == cut.weights, !base.items.isEmpty
    else { return nil }
    (self.base, self.cut) = (base, cut)
    let isBinary = base.isBinary && cut.isBinary
    let right = base.isHigherBetter ? 1.0 : 0
    var (less, more, bothRight) = (0, 0, 0)
    for (a, b) in zip(base.items, cut.items) {
      if b < a { less += 1 } else if b > a { more += 1 } else if a == right { bothRight += 1 }
    }
    let (lost, won) = base.isLargerItemBetter ? (less, more) : (more, less)
    let count = base.items.count
    counts = Counts(
      questions: count, lost: lost, won: won, bothRight: isBinary ? bothRight : nil,
      bothWrong: isBinary ? count - lost - won - bothRight : nil)
  }

  /// Net change of right answers, in the direction of the metric: what lost means.
  private var flips: FlipDistribution? {
    guard counts.bothRight != nil else { return nil }
    let (less, more) = base.isHigherBetter ? (counts.lost, counts.won) : (counts.won, counts.lost)
    return FlipDistribution(questions: counts.questions, lost: less, won: more)
  }

  /// 95 % of how the difference of the figures comes out in other samples of questions; nil where it is not a number.
  func interval(seed: UInt64) -> ClosedRange<Double>? {
    guard let flips else { return Bootstrap.interval(of: resampledDifferences(PairedDifference.resamples, seed: seed)) }
    let n = Double(counts.questions)
    return Double(flips.quantile(Bootstrap.lower)) / n...Double(flips.quantile(Bootstrap.upper)) / n
  }

  /// The difference in each of so many resamples of the questions (Efron 1979); both models answer the same ones.
  func resampledDifferences(_ count: Int, seed: UInt64) -> [Double] {
    if let flips {
      var random = SplitMix64(seed: seed)
      return (0..<count).map { _ in Double(flips.draw(&random)) / Double(counts.questions) }
    }
    let weights = base.aggregation.isWeighted ? base.weights ?? [] : []
    // Beside each other in memory: a draw touches one line.
    let items = base.items.indices.map { SIMD4(base.items[$0], cut.items[$0], weights.isEmpty ? 1 : weights[$0], 0) }
    return Bootstrap.resamples(of: items, count: count, seed: seed) { [aggregation = base.aggregation] sum in
      aggregation.value(sum: sum[1], weight: sum[2]) - aggregation.value(sum: sum[0], weight: sum[2])
    }
  }
}
