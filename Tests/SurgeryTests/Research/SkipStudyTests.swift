import BackendCPU
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// Whole studies on a real model.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct SkipStudyTests {
  private func options(_ change: (inout SkipOptions) -> Void = { _ in }) -> SkipOptions {
    var options = SkipOptions(drop: 2)
    options.clusters = 2
    options.promptTokens = 8
    change(&options)
    return options
  }

  @Test("the static rows are hoof prune's cuts, and their figures those of a comparison on the same positions")
  func fixed() throws {
    // From the first token on, every position is scored.
    let study = try Skipping.study(options { $0.promptTokens = 1 })
    let result = try Skipping.result(study)
    for (method, index) in [(PruneMethod.greedy, result.candidates.greedy), (.ablation, result.candidates.leastDivergence)] {
      var pruner = try Pruner(
        Pruning.source("stories260K"), study.model, options: PruneOptions(method: method), prompts: study.calibration,
        plan: Pruning.plan(study.model, study.calibration))
      let outcome = try #require(try pruner.run(PruneGoal(budget: .drop(2))).steps.last)
      #expect(outcome.cut.layers == result.candidates.sets[index])
      // Batches of other sizes take other ways through the products.
      #expect(relativeError(result.calibration[index].meanDivergence, outcome.outcome?.meanDivergence) < 1e-5)
    }
    let comparison = try ModelComparison(base: study.model, prompts: study.heldOut, plan: Pruning.plan(study.model, study.heldOut))
    for router in [SkipResult.Router.fixed, .greedy, .leastDivergence] {
      let row = try #require(result.row(router))
      let set = try #require(row.routing.choices?.first)
      #expect(row.routing.choices == Array(repeating: set, count: study.heldOut.count))
      let expected = try comparison.outcome(of: study.model.without(layers: result.candidates.sets[set]))
      #expect(relativeError(row.figures.meanDivergence, expected.meanDivergence) < 1e-5)
      #expect(relativeError(row.perplexity, expected.perplexity) < 1e-5 && row.figures.agreement == expected.agreement)
      #expect(relativeError(row.standardError, expected.divergenceStandardError) < 1e-4)
    }
    #expect(relativeError(result.whole.perplexity, comparison.baseline.perplexity) < 1e-6)
  }

  @Test("no router is better than the oracle, and static is the best set of the calibration texts", arguments: SkipOptions.Pool.allCases)
  func bounds(pool: SkipOptions.Pool) throws {
    let result = try Skipping.result(Skipping.study(options { $0.pool = pool }))
    let oracle = try #require(result.row(.oracle))
    #expect(result.rows.map(\.router) == SkipResult.Router.allCases)
    for row in result.rows {
      #expect(oracle.figures.meanDivergence <= row.figures.meanDivergence, "\(row.router)")
      #expect(zip(oracle.figures.divergences, row.figures.divergences).allSatisfy { $0 <= $1 }, "\(row.router)")
      #expect(abs(row.routing.frequencies.reduce(0, +) - 1) < 1e-9)
    }
    let best = try #require(result.row(.fixed)?.routing.choices?.first)
    #expect(result.calibration.allSatisfy { $0.meanDivergence >= result.calibration[best].meanDivergence })
    #expect(result.candidates.sets.count == Set(result.candidates.sets).count && result.candidates.sets.allSatisfy { $0.count == 2 })
    if pool == .all { #expect(result.candidates.sets.count == 10) }
    // Scored are the rows from that of the last prompt token on.
    let scored: Int = result.study.heldOut.map { $0.count - 7 }.reduce(0, +)
    #expect(result.whole.positions == scored)
  }

  @Test("one cluster is the static cut", arguments: SkipOptions.Pool.allCases)
  func single(pool: SkipOptions.Pool) throws {
    let result = try Skipping.result(
      Skipping.study(
        options {
          $0.clusters = 1
          $0.pool = pool
        }))
    let (routed, fixed) = (try #require(result.row(.clusters)), try #require(result.row(.fixed)))
    #expect(routed.routing == fixed.routing && routed.figures == fixed.figures && routed.verdict == .same)
  }

  @Test("one seed gives one result")
  func seeds() throws {
    let study = try Skipping.study(options())
    let (a, b) = (try Skipping.result(study), try Skipping.result(study))
    for (x, y) in zip(a.rows, b.rows) {
      #expect(x.routing == y.routing && x.figures == y.figures && x.interval == y.interval)
    }
    let other = try Skipping.result(Skipping.study(options { $0.seed = 1 }))
    #expect(other.row(.random)?.routing != a.row(.random)?.routing || a.candidates.routable.count == 1)
  }

  @Test("behind a depth, the signal is the mean residual there, and no router leaves out a layer that it ran")
  func depth() throws {
    let study = try Skipping.study(options { $0.depth = 2 })
    let signals = try PromptSignal.means(of: study.model, study.heldOut, tokens: 8, depth: 2, budget: Skipping.budget)
    for (text, signal) in zip(study.heldOut, signals).prefix(2) {
      let beginning = Array(text.prefix(8))
      let group = try PromptGroup(prompts: 0..<1, of: [beginning], on: study.model.backend)
      let values = try PrefixPass(study.model, group).residuals[2].floats()
      let width = study.model.config.hiddenSize
      for column in 0..<width {
        let stream: [Double] = (0..<8).map { Double(values[$0 * width + column]) }
        let mean = stream.reduce(0, +) / 8
        #expect(abs(signal[column] - mean) < 1e-4 * max(1, abs(mean)))
      }
    }
    let result = try Skipping.result(study)
    #expect(!result.candidates.routable.isEmpty)
    for router in [SkipResult.Router.clusters, .regression, .random] {
      let frequencies = try #require(result.row(router)).routing.frequencies
      for (set, share) in zip(result.candidates.sets, frequencies) where share > 0 { #expect(set.allSatisfy { $0 >= 2 }) }
    }
    let flat = try PromptSignal.means(of: study.model, study.heldOut, tokens: 8, depth: 0, budget: Skipping.budget)
    let table = try study.model.embedding.floats()
    let width = study.model.config.hiddenSize
    let thirds: [Double] = study.heldOut[0].prefix(8).map { Double(table[Int($0) * width + 3]) }
    #expect(abs(flat[0][3] - thirds.reduce(0, +) / 8) < 1e-6)
  }

  @Test("what cannot be studied is refused with what, where and how many")
  func refusals() throws {
    func refusal(_ change: (inout SkipOptions) -> Void, calibration: [[Int32]]? = nil, heldOut: [[Int32]]? = nil) -> SkipError? {
      do {
        let model = try ReferenceModels.open("stories260K", on: CPUBackend())
        let texts: [[Int32]] = (0..<8).map { text in [1] + (0..<20).map { Int32(10 + text + $0) } }
        _ = try SkipStudy(
          model, calibration: calibration ?? Array(texts.prefix(4)), heldOut: heldOut ?? Array(texts.suffix(4)), options: options(change),
          budget: Skipping.budget)
        return nil
      } catch { return error as? SkipError }
    }
    #expect(refusal { _ in } == nil)
    #expect(refusal { $0.drop = 5 } == .tooManyLayers(drop: 5, of: 5, depth: 0))
    #expect(refusal { ($0.drop, $0.depth) = (3, 3) } == .tooManyLayers(drop: 3, of: 5, depth: 3))
    #expect(refusal { $0.promptTokens = 21 } == .tooShort(.calibration, longest: 21, promptTokens: 21))
    #expect(refusal({ _ in }, heldOut: [[1, 2], [1, 3]]) == .tooShort(.heldOut, longest: 2, promptTokens: 8))
    #expect(refusal { $0.clusters = 3 } == .tooFew(.calibration, texts: 4, needed: 6, clusters: 3))
    let text: [Int32] = [1] + (0..<20).map { Int32(50 + $0) }
    #expect(refusal({ _ in }, heldOut: [text]) == .tooFew(.heldOut, texts: 1, needed: 2, clusters: nil))
    #expect(
      refusal({ _ in }, calibration: Array(repeating: text, count: 4), heldOut: [text, text]) == .notHeldOut(texts: 2))
    #expect(SkipError.tooManyLayers(drop: 3, of: 5, depth: 3).description.contains("the first 3 run before the choice"))
  }
}
