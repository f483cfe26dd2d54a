@testable import Tasks
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
    #expect(perplexity.smallestLoss.map { ($0 / 2.801585 - 9.7026).magnitude < 0.3 } == true)
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

  @Test(
    "the smallest loss that so many questions would have shown solves Connor's formula",
    arguments: [
      (400, 49, 0.048883382030354965), (1000, 0, 0.00783039127599597), (100, 10, 0.08755348893461413),
      (14042, 1551, 0.00785677479039148),
    ])
  func smallestLoss(questions: Int, changed: Int, expected: Double) throws {
    #expect((try #require(SmallestLoss.share(questions: questions, changed: changed)) - expected).magnitude < 1e-9)
    #expect(SmallestLoss.share(questions: 3, changed: 0) == nil)
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
