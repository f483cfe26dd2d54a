import Tasks
import Testing

/// Against lm-evaluation-harness 0.4.13 (api/metrics.py) on CPython 3.11. Sums are added in the same order, so that only roundings of exp and of
/// squares (pow there, a product here) may differ: 1e-12.
struct StandardErrorTests {
  private let likelihoods = (0..<200).map { -Double(($0 * 37) % 101) / 10 }

  private func isNear(_ value: Double?, _ expected: Double, within tolerance: Double = 1e-12) -> Bool {
    value.map { ($0 - expected).magnitude <= tolerance * expected.magnitude } ?? false
  }

  @Test("a mean's standard error is the sample's deviation over √n")
  func mean() {
    let right = (0..<123).map { $0 * 7 % 10 < 4 ? 1.0 : 0 }
    #expect(Aggregation.mean.value(of: right) == 0.3983739837398374)
    #expect(isNear(Aggregation.mean.standardError(of: right), 0.04432297195337218))
    let shares = (0..<57).map { Double($0 * 29 % 100) / 100 }
    #expect(Aggregation.mean.value(of: shares) == 0.48842105263157887)
    #expect(isNear(Aggregation.mean.standardError(of: shares), 0.039011749943952616))
  }

  @Test("a perplexity's standard error is the harness' bootstrap, draw for draw")
  func perplexity() {
    #expect(Aggregation.perplexity.value(of: likelihoods) == 149.08252325833692)
    #expect(isNear(Aggregation.perplexity.standardError(of: likelihoods), 31.78112142358923))
    // The harness draws whole chunks of 1,000, or one chunk of less.
    #expect(isNear(Aggregation.perplexity.standardError(of: likelihoods, draws: 3500), 32.71681235831653))
    #expect(isNear(Aggregation.perplexity.standardError(of: likelihoods, draws: 250), 35.0954215723955))
    // A number of questions that no block of random numbers ends with.
    let odd = (0..<1001).map { -Double($0 * 53 % 97) / 7 }
    #expect(isNear(Aggregation.perplexity.value(of: odd), 934.1051222142806))
    #expect(isNear(Aggregation.perplexity.standardError(of: odd, draws: 2000), 119.60025046244795))
  }

  @Test("weighted figures and single questions have no standard error")
  func none() {
    let weights = (0..<200).map { 3 + Double($0 % 5) }
    #expect(isNear(Aggregation.weightedPerplexity.value(of: likelihoods, weights: weights), 2.7207293833391444))
    #expect(isNear(Aggregation.bitsPerByte.value(of: likelihoods, weights: weights), 1.4439934664257634))
    #expect(Aggregation.weightedPerplexity.standardError(of: likelihoods) == nil)
    #expect(Aggregation.bitsPerByte.standardError(of: likelihoods) == nil)
    #expect(Aggregation.mean.standardError(of: [1]) == nil)
    #expect(Aggregation.mean.standardError(of: [1, 0], draws: 0) == nil)
  }

  @Test("the bootstrap says how far it is and ends when it is told to")
  func progress() {
    struct Enough: Error {}
    var shares: [Double] = []
    func run() throws(Enough) -> Double? {
      try Aggregation.perplexity.standardError(of: likelihoods) { (share: Double) throws(Enough) in
        shares.append(share)
        if share > 0.5 { throw Enough() }
      }
    }
    #expect(throws: Enough.self) { _ = try run() }
    #expect(shares.first == 0 && shares.count > 1 && shares.dropLast().allSatisfy { $0 <= 0.5 })
  }

  @Test("a group's figure and pooled standard error, by size and evenly")
  func group() throws {
    let parts = zip(zip([0.25, 0.3, 0.417, 0.28], [0.019, 0.021, 0.03, 0.025]), [500, 480, 270, 100]).map {
      GroupScore.Part(value: $0.0, standardError: $0.1, questions: $1)
    }
    let bySize = try #require(GroupScore(parts, isWeightedBySize: true))
    #expect(isNear(bySize.value, 0.3034) && isNear(bySize.standardError, 0.012031060639859288) && bySize.questions == 1350)
    let evenly = try #require(GroupScore(parts, isWeightedBySize: false))
    #expect(isNear(evenly.value, 0.31175) && isNear(evenly.standardError, 0.012059747095192338))
    let single = GroupScore(parts + [.init(value: 1, standardError: nil, questions: 1)], isWeightedBySize: true)
    #expect(single?.standardError == nil && single?.questions == 1351)
    #expect(GroupScore([], isWeightedBySize: true) == nil)
  }
}
