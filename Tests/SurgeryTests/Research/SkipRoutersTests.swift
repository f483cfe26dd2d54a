import BackendCPU
@testable import Surgery
import TensorCore
import TestSupport
import Testing

/// Choosing, on numbers that are made up.
struct SkipRoutersTests {
  /// 40 calibration texts and 30 held-out ones, of two kinds in turn.
  static let kinds = (calibration: (0..<40).map { $0 % 2 }, heldOut: (0..<30).map { $0 % 2 })
  /// Two sets that each suit one kind, and one that is fair to both.
  static let means = [[0.1, 0.9], [0.8, 0.2], [0.4, 0.45]]

  private static func noise(_ text: Int, _ use: UInt64) -> Double { SplitMix64.fraction(UInt64(text), seed: use) - 0.5 }

  @Test("where texts of two kinds need different layers and look different, both routers find out, and say so")
  func wins() throws {
    let result = try Skipping.stub(
      kinds: Self.kinds, means: Self.means, signal: { [Double($0) + 0.2 * Self.noise($1, 1), Self.noise($1, 2)] }, clusters: 2)
    let (fixed, oracle) = (result.row(.fixed)!, result.row(.oracle)!)
    #expect(fixed.routing.choices == Array(repeating: 2, count: 30))
    #expect(abs(fixed.figures.meanDivergence - 0.425) < 1e-12 && abs(oracle.figures.meanDivergence - 0.15) < 1e-12)
    for router in [SkipResult.Router.clusters, .regression] {
      let row = try #require(result.row(router))
      #expect(row.routing == oracle.routing && row.verdict == .better)
      #expect(row.routing.frequencies == [0.5, 0.5, 0])
      let interval = try #require(row.interval)
      #expect(interval.lowerBound <= row.difference && row.difference <= interval.upperBound && interval.upperBound < 0)
    }
    #expect((result.regression?.explained ?? 0) > 0.8)
    #expect(result.findings[0].hasPrefix("Routing by clusters was better than the static cut: KL −0.275 nats"), "\(result.findings)")
  }

  @Test("a signal that says nothing gives the static cut: regression takes one set for all texts")
  func blind() throws {
    let result = try Skipping.stub(
      kinds: Self.kinds, means: Self.means, signal: { [Self.noise($1 / 2, 3), Self.noise($1 / 2, 4)] }, clusters: 1)
    #expect(result.regression?.penalty == .infinity && result.regression?.explained == 0)
    for router in [SkipResult.Router.clusters, .regression] {
      #expect(result.row(router)?.routing == result.row(.fixed)?.routing && result.row(router)?.verdict == .same)
    }
    #expect(result.findings[0] == "Routing by clusters chose the static cut's set for every text: it is the static cut.")
  }

  @Test("what was true of the calibration texts and is not of the others is worse, and is called so")
  func loses() throws {
    // The beginnings of held-out texts look like the other kind.
    let result = try Skipping.stub(
      kinds: Self.kinds, means: Self.means, signal: { [Double($1 < 100 ? $0 : 1 - $0), Self.noise($1, 2)] }, clusters: 2)
    let row = try #require(result.row(.clusters))
    #expect(abs(row.figures.meanDivergence - 0.85) < 1e-12 && row.verdict == .worse)
    #expect(result.findings[0].hasPrefix("Routing by clusters was worse than the static cut: KL +0.425 nats"))
  }

  @Test("a few texts cannot tell a small difference, and the sentence says so")
  func undecided() throws {
    let means = [[0.1, 0.9], [0.8, 0.1], [0.15, 0.15]]
    // Seven of eight texts gain 0.05; the one whose beginning misleads loses 0.65, and may be drawn never or thrice.
    let result = try Skipping.stub(
      kinds: (Self.kinds.calibration, [0, 1, 0, 1, 0, 1, 0, 1]), means: means,
      signal: { [Double($1 == 100 ? 1 - $0 : $0)] }, clusters: 2)
    #expect(result.row(.fixed)?.routing.choices == Array(repeating: 2, count: 8))
    #expect(result.row(.clusters)?.verdict == .undecided)
    #expect(result.findings[0].contains("not to be told apart from the static cut at this sample size"), "\(result.findings)")
  }

  @Test("random routing is the mean of the sets, the same for one seed and another for another")
  func random() {
    let heldOut = (0..<3).map { set in Skipping.outcome((0..<50).map { 0.1 * Double(set + 1) + 0.001 * Double($0) }) }
    let (a, b, c) = (
      SkipRouters.random(of: [0, 2], heldOut, draws: 400, seed: 1), SkipRouters.random(of: [0, 2], heldOut, draws: 400, seed: 1),
      SkipRouters.random(of: [0, 2], heldOut, draws: 400, seed: 2)
    )
    #expect(a.routing == b.routing && a.deviation == b.deviation && a.routing != c.routing)
    #expect(a.routing.choices == nil && a.routing.frequencies[1] == 0)
    // 20,000 fair choices: five standard deviations are 0.018 of a share.
    #expect(abs(a.routing.frequencies[0] - 0.5) < 0.018)
    let figures = SkipFigures(a.routing, heldOut)
    #expect(abs(figures.meanDivergence - (0.2 + 0.0245)) < 0.2 * 0.018)
    // Each text's choice moves its KL by ±0.1, and 50 of them are averaged.
    #expect(abs(a.deviation - 0.1 / 50.0.squareRoot()) < 0.003)
  }

  @Test("the oracle takes each text's best, and a set that is no number is never it")
  func oracle() {
    let heldOut = [Skipping.outcome([0.3, .nan, 0.2]), Skipping.outcome([0.4, 0.5, .infinity]), Skipping.outcome([0.3, 0.1, 0.9])]
    #expect(SkipRouters.oracle(heldOut) == [0, 2, 0])
    #expect(SkipRouters.best(of: [0, 1], heldOut, on: [0, 1]) == 1)
    let routing = SkipRouting([0, 2, 0], sets: 3)
    #expect(abs(SkipFigures(routing, heldOut).meanDivergence - 0.2) < 1e-12)
    #expect(SkipRouters.regression(of: [0, 1], heldOut, signals: [[1], [0], [-1]]) == nil)
  }

  @Test("the cost of choosing is counted in layers, and none of it hides")
  func cost() throws {
    let result = try Skipping.stub(kinds: Self.kinds, means: Self.means, signal: { [Double($0), Self.noise($1, 2)] }, clusters: 2)
    let (config, tokens) = (try Skipping.example().config, 12.0)
    let kept = Double(config.layers.count - 1)
    #expect(result.row(.fixed)?.layerPasses == kept && result.row(.oracle)?.layerPasses == kept)
    let width = Double(config.hiddenSize)
    let layer = StudyCost(config, lengths: [12]).pass(0..<1) - StudyCost(config, lengths: [12]).pass(0..<0)
    // Two tokens' sum, scaling, and two distances; or three products.
    let clusters = (2 * width + 2 * width + 3 * width * 2) / layer
    let regression = (2 * width + 2 * width + 2 * width * 3) / layer
    #expect(relativeError(result.row(.clusters)!.layerPasses - kept, clusters) < 1e-9 && clusters > 0)
    #expect(relativeError(result.row(.regression)!.layerPasses - kept, regression) < 1e-9)
    #expect(tokens == Double(result.study.heldOut[0].count))
  }
}
