@testable import Tasks
import TensorCore
import Testing

/// p-values against scipy.stats.binomtest and exact fractions; intervals against numpy: the trinomial by convolution, others by 400,000 resamples.
struct PairedDifferenceTests {
  /// `right` of both, then `lost`, then `won`, then neither.
  private func pair(_ questions: Int, lost: Int, won: Int, right: Int = 0) -> (base: MetricResult, cut: MetricResult) {
    func items(_ own: Range<Int>) -> [Double] { (0..<questions).map { $0 < right || own.contains($0) ? 1 : 0 } }
    return (
      MetricResult(measuring: "acc", items: items(right..<right + lost)),
      MetricResult(measuring: "acc", items: items(right + lost..<right + lost + won))
    )
  }

  @Test(
    "the sign test is exact, for few and for many changes",
    arguments: [
      (0, 0, 1.0), (7, 7, 1), (1, 0, 1), (0, 5, 0.0625), (6, 0, 0.03125), (3, 12, 0.03515625), (10, 25, 0.016673847800120715),
      (200, 150, 0.008720036530555949), (5100, 4900, 0.04658552770494739), (4000, 3000, 5.7143006822604956e-33),
      (70000, 69500, 0.18154204658393983),
    ])
  func signTest(lost: Int, won: Int, expected: Double) {
    // The logarithm of 139,500! is 1.5e6 and has an error of some 1e-10.
    let value = SignTest.pValue(lost: lost, won: won)
    #expect((value - expected).magnitude <= 1e-9 * expected)
    #expect(value == SignTest.pValue(lost: won, won: lost))
  }

  @Test("Holm's correction steps down")
  func holm() {
    let adjusted = HolmCorrection.adjusted([0.01, 0.04, 0.03, 0.005])
    #expect(zip(adjusted, [0.03, 0.06, 0.06, 0.02]).allSatisfy { ($0 - $1).magnitude < 1e-15 })
    #expect(HolmCorrection.adjusted([0.5, 0.6, 0.001]) == [1, 1, 0.003])
    #expect(HolmCorrection.adjusted([]).isEmpty)
  }

  @Test("flips, differences and verdicts of right and wrong answers")
  func flips() throws {
    let (base, cut) = pair(400, lost: 31, won: 18, right: 100)
    let difference = try #require(PairedDifference(base: base, cut: cut))
    #expect((difference.lost, difference.won, difference.bothRight, difference.bothWrong) == (31, 18, 100, 251))
    #expect(difference.base == 131 / 400 && difference.cut == 118 / 400 && difference.questions == 400)
    #expect(difference.retained.map { ($0 - 118.0 / 131).magnitude < 1e-12 } == true)
    #expect(difference.verdict == .noEvidenceOfHarm && difference.interval == -0.0675...0.0025)
    let (worse, better) = (pair(60, lost: 12, won: 1), pair(60, lost: 1, won: 12))
    #expect(PairedDifference(base: worse.base, cut: worse.cut)?.verdict == .lost)
    #expect(PairedDifference(base: better.base, cut: better.cut)?.verdict == .gained)
    var corrected = try #require(PairedDifference(base: worse.base, cut: worse.cut))
    corrected.adjustedPValue = 57 * corrected.pValue
    #expect(corrected.verdict == .noEvidenceOfHarm)
  }

  @Test(
    "the bootstrap of flips is the one that resamples approach",
    arguments: [
      (60, 0, 4, 0.016666666666666666, 0.13333333333333333), (1000, 0, 0, 0, 0),
      (14042, 911, 640, -0.02478279447372169, -0.013815695769833358), (25, 20, 5, -0.92, -0.28),
    ])
  func trinomial(questions: Int, lost: Int, won: Int, lower: Double, upper: Double) throws {
    let (base, cut) = pair(questions, lost: lost, won: won)
    #expect(try #require(PairedDifference(base: base, cut: cut)).interval == lower...upper)
  }

  @Test("perplexities and weighted figures: sign test of the questions, resampled difference of the figure")
  func likelihoods() throws {
    let items = (0..<200).map { -Double(($0 * 37) % 101) / 10 }
    let shifted = items.enumerated().map { $1 - Double($0 * 13 % 17 - 6) / 10 }
    func metric(_ items: [Double], _ aggregation: Aggregation) -> MetricResult {
      MetricResult(
        measuring: "p", aggregation: aggregation, isHigherBetter: false, items: items,
        weights: aggregation.isWeighted ? (0..<200).map { 3 + Double($0 % 5) } : nil, draws: 0)
    }
    let perplexity = try #require(PairedDifference(base: metric(items, .perplexity), cut: metric(shifted, .perplexity)))
    #expect((perplexity.lost, perplexity.won, perplexity.bothRight) == (117, 71, nil) && perplexity.verdict == .lost)
    #expect((perplexity.difference - (181.36290065889594 - 149.08252325833706)).magnitude < 1e-9)
    // 10,000 resamples know an end of the interval to some 2 % of its width, and their deviation to 1 %.
    let interval = try #require(perplexity.interval)
    #expect((interval.lowerBound - 17.41).magnitude < 1 && (interval.upperBound - 55.19).magnitude < 1.5)
    // The sign test of log-likelihoods does not say how large a loss of perplexity it would find.
    #expect(perplexity.sensitivity == nil && perplexity.smallestLoss == nil)
    #expect(perplexity.retained.map { ($0 - 149.08252325833706 / 181.36290065889594).magnitude < 1e-9 } == true)
    let bits = try #require(PairedDifference(base: metric(items, .bitsPerByte), cut: metric(shifted, .bitsPerByte)))
    let ends = try #require(bits.interval)
    #expect((ends.lowerBound - 0.03698).magnitude < 0.0015 && (ends.upperBound - 0.07633).magnitude < 0.0015)
    #expect(bits == PairedDifference(base: metric(items, .bitsPerByte), cut: metric(shifted, .bitsPerByte)))
  }

  @Test("a group is resampled within its tasks")
  func group() throws {
    let tasks = [pair(100, lost: 9, won: 4), pair(400, lost: 31, won: 18), pair(50, lost: 2, won: 3)]
    let bySize = try #require(PairedDifference(tasks: tasks, isWeightedBySize: true))
    #expect((bySize.lost, bySize.won, bySize.questions) == (42, 25, 550) && bySize.pValue == SignTest.pValue(lost: 42, won: 25))
    #expect((bySize.difference + 17.0 / 550).magnitude < 1e-12)
    let interval = try #require(bySize.interval)
    #expect((interval.lowerBound + 0.06).magnitude < 0.002 && (interval.upperBound + 0.00182).magnitude < 0.002)
    let evenly = try #require(PairedDifference(tasks: tasks, isWeightedBySize: false)?.interval)
    #expect((evenly.lowerBound + 0.06).magnitude < 0.0025 && (evenly.upperBound - 0.01833).magnitude < 0.0025)
  }

  /// Made with scipy 1.17: P(found) = Σ binom.pmf(m, n, ψ) · binom.sf(c(m) - 1, m, (1 + δ/ψ) / 2) over all m, ψ = max(changed / n, δ), c(m) the
  /// fewest of m changes whose binomtest(c, m).pvalue is below 0.05, solved for 0.8 by brentq. The halving ends at 1e-15; the power at n = 14,042
  /// comes from logarithms of 1e5 and is known to 1e-10.
  @Test(
    "the smallest loss is the one that the exact sign test finds four times of five",
    arguments: [
      (6, 0, 0.9634924839989961), (7, 3, 0.8804608380101024), (10, 0, 0.6731718214777692), (20, 6, 0.3664593512550516),
      (50, 50, 0.4078555351040013), (60, 4, 0.12857447930530072), (100, 10, 0.08841728309901935), (400, 49, 0.05031953216905988),
      (1000, 0, 0.007894505774991591), (1000, 100, 0.02873690214880224), (1000, 1000, 0.08949949724027115),
      (1838, 200, 0.021990467159209822), (14042, 10, 0.0006336408389609196), (14042, 1551, 0.00792430794148827),
      (14042, 7000, 0.016761059482127732), (14042, 14042, 0.02369328440429451),
    ])
  func smallestLoss(questions: Int, changed: Int, expected: Double) throws {
    #expect((try #require(SmallestLoss.share(questions: questions, changed: changed)) - expected).magnitude < 1e-9)
  }

  /// 20,000 samples know a power of 0.8 to 0.0028 (one standard deviation); four of these are allowed.
  @Test("so many samples with that loss are found lost", arguments: [(7, 3), (20, 6), (60, 12), (400, 49)])
  func simulatedPower(questions: Int, changed: Int) throws {
    let loss = try #require(SmallestLoss.share(questions: questions, changed: changed))
    let changing = max(Double(changed) / Double(questions), loss)
    var random = SplitMix64(seed: UInt64(questions))
    let found = (0..<20_000).count { _ in
      var (lost, won) = (0, 0)
      for _ in 0..<questions {
        let draw = Double(random.next() >> 11) * 0x1p-53
        if draw < (changing + loss) / 2 { lost += 1 } else if draw < changing { won += 1 }
      }
      return lost > won && SignTest.pValue(lost: lost, won: won) < 0.05
    }
    #expect((Double(found) / 20_000 - 0.8).magnitude < 0.0112)
  }

  @Test("no loss is promised that no test would find: too few questions, too few right answers, figures of another kind")
  func noLoss() throws {
    // Five losses of five have p = 1/16.
    for questions in 0...5 { #expect(SmallestLoss.share(questions: questions, changed: 0) == nil) }
    func sensitivity(_ pair: (base: MetricResult, cut: MetricResult)) throws -> PairedDifference.Sensitivity? {
      try #require(PairedDifference(base: pair.base, cut: pair.cut)).sensitivity
    }
    #expect(try sensitivity(pair(5, lost: 0, won: 0, right: 5)) == .tooFewQuestions)
    #expect(try sensitivity(pair(100, lost: 1, won: 1, right: 3)) == .tooFewQuestions)
    guard case .loss(let loss) = try sensitivity(pair(100, lost: 5, won: 5, right: 40)) else { return #expect(Bool(false)) }
    #expect((loss - 0.08841728309901935).magnitude < 1e-9)
    // Of a group that counts its tasks evenly, a share of the questions is no share of the figure.
    let uneven = [pair(100, lost: 9, won: 4, right: 40), pair(400, lost: 31, won: 18, right: 100)]
    #expect(PairedDifference(tasks: uneven, isWeightedBySize: false)?.sensitivity == nil)
    #expect(PairedDifference(tasks: uneven, isWeightedBySize: true)?.smallestLoss != nil)
    #expect(PairedDifference(tasks: [uneven[0], uneven[0]], isWeightedBySize: false)?.smallestLoss != nil)
  }

  @Test("figures that do not belong together are not compared; what is no number has no interval")
  func mismatches() {
    let (base, cut) = pair(10, lost: 1, won: 0)
    #expect(PairedDifference(base: base, cut: pair(11, lost: 1, won: 0).cut) == nil)
    #expect(PairedDifference(base: base, cut: MetricResult(measuring: "acc_norm", items: cut.items)) == nil)
    #expect(PairedDifference(base: MetricResult(measuring: "acc", items: []), cut: MetricResult(measuring: "acc", items: [])) == nil)
    #expect(PairedDifference(tasks: [], isWeightedBySize: true) == nil)
    let broken = MetricResult(measuring: "mc2", items: [0.5, .nan])
    let difference = PairedDifference(base: MetricResult(measuring: "mc2", items: [0.5, 0.25]), cut: broken)
    #expect(difference?.interval == nil && difference?.retained == nil && difference?.verdict == .noEvidenceOfHarm)
  }
}
