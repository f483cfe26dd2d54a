import BackendCPU
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

struct BudgetTests {
  @Test("OWL's shares are the formula's, in all the ratio's, and more for layers with more outliers")
  func formula() {
    let shares = NeuronBudget.owl(outliers: [1, 3, 2], sizes: [100, 100, 100], ratio: 0.3)
    // z = 0, 0.16, 0.08; mean 0.08.
    #expect(zip(shares, [0.62, 0.78, 0.7]).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(abs(shares.reduce(0, +) / 3 - 0.7) < 1e-12)
    #expect(NeuronBudget.owl(outliers: [2, 2], sizes: [100, 100], ratio: 0.25) == [0.75, 0.75])
    #expect(NeuronBudget.owl(outliers: [nil, 1], sizes: [0, 100], ratio: 0.25)[1] == 0.75)
  }

  @Test("whole blocks come nearest to the shares and in all to the ratio")
  func counts() {
    #expect(NeuronBudget.counts(shares: [0.62, 0.78, 0.7], sizes: [96, 96, 96], ratio: 0.3, multiple: 32) == [64, 96, 64])
    #expect(NeuronBudget.counts(shares: [0.5, 0.5], sizes: [172, 172], ratio: 0.5, multiple: 32) == [96, 96])
    #expect(NeuronBudget.counts(shares: [0.01, 1], sizes: [96, 96], ratio: 0.4, multiple: 32) == [32, 96])
    for ratio in [0.0, 0.1, 0.37, 0.5, 0.9] {
      let sizes = [384, 352, 172, 0, 1024]
      let counts = NeuronBudget.counts(shares: sizes.map { _ in 1 - ratio }, sizes: sizes, ratio: ratio, multiple: 32)
      let total = sizes.reduce(0, +) - NeuronBudget.gone(sizes.reduce(0, +), ratio)
      // Rounded up by less than a block; where a layer must keep one, more.
      #expect(counts.reduce(0, +) >= total && counts.reduce(0, +) < total + 32 * (ratio == 0.9 ? 2 : 1), "\(ratio): \(counts)")
      #expect(zip(counts, sizes).allSatisfy { $0 == $1 || $0 % 32 == 0 && $0 > 0 })
    }
  }

  static func kept(_ plan: CutPlan, _ config: LlamaConfig) -> [Int] {
    config.layers.enumerated().map { $1.intermediateSize - (plan.neurons[$0]?.count ?? 0) }
  }

  @Test(
    "OWL and MRP prune to the ratio in whole blocks, and the cut model is the uncut one with those neurons bypassed",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func models() throws {
    let (model, prompts, plan) = try NeuronScoreTests.subject("talespin-tiny", count: 8)
    let pruning = try WidthPruning(model, prompts: prompts, axes: Set(WidthPruning.Axis.allCases), plan: plan)
    let all = pruning.sizes.reduce(0, +)
    var before: [Int: Set<Int>] = [:]
    for ratio in [0.05, 0.1, 0.2, 0.3] {
      for cut in [try pruning.owl(ratio: ratio), try pruning.mrp(ratio: ratio)] {
        let kept = Self.kept(cut, model.config)
        #expect(kept.allSatisfy { $0 % 32 == 0 && $0 > 0 })
        let gone = Double(all - kept.reduce(0, +))
        // Rounded down to blocks of 32; a uniform start by layer, so less than a block in each.
        #expect(gone <= ratio * Double(all) && gone > ratio * Double(all) - (ratio < 0.09 ? 8 * 32 : 32), "\(ratio): \(kept)")
      }
      let path = try pruning.mrp(ratio: ratio).neurons
      #expect(before.allSatisfy { $0.value.isSubset(of: path[$0.key] ?? []) })
      before = path
    }
    // The uncut model, and one pass for each block behind the first of every layer: 8 · 12 · 0.3 - 8.
    #expect(pruning.passes == 1 + 20 || pruning.passes == 1 + 21, "\(pruning.passes)")
    let owl = Self.kept(try pruning.owl(ratio: 0.3), model.config)
    let outliers = pruning.wanda.shares().map { $0! }
    let ordered = outliers.indices.sorted { outliers[$0] < outliers[$1] }.map { owl[$0] }
    #expect(ordered == ordered.sorted() && Set(owl).count > 1, "\(owl) for \(outliers)")

    var cut = try pruning.minitron([.heads: 0.5, .depth: 0.13])
    cut.neurons = try pruning.mrp(ratio: 0.3).neurons.filter { !cut.layers.contains($0.key) }
    let source = try ModelSource.open(path: SharedData.path("models/talespin-tiny"))
    #expect(cut.layers.count == 1 && cut.heads.count == 7 && cut.heads.allSatisfy { $0.value.count == 4 })
    try Self.expectBypass(model, source, cut, prompts[0])
  }

  /// Logits of the cut model against the uncut one's with the parts masked, to 1e-5 of the largest: another order of float32 sums.
  static func expectBypass(_ model: Llama, _ source: ModelSource, _ cut: CutPlan, _ prompt: [Int32]) throws {
    let small = try Llama(ModelImport(source, cut: cut.cut(of: source.config, method: "test")), on: model.backend, sharing: model)
    let layout = try PackedLayout(lengths: [prompt.count], on: model.backend)
    let ids = try Tensor(prompt, on: model.backend)
    let expected = try Bypass(model, cut).hidden(ids, layout).linear(model.head).floats()
    let logits = try small.logits([prompt])[0].floats()
    let scale = expected.map(abs).max() ?? 1
    #expect(zip(logits, expected).allSatisfy { abs($0 - $1) <= 1e-5 * scale } && logits.count == expected.count)
  }

  @Test(
    "Minitron cuts each axis by its own ratio and its own score",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func axes() throws {
    let (model, prompts, plan) = try NeuronScoreTests.subject("talespin-tiny", count: 8)
    let pruning = try WidthPruning(model, prompts: prompts, axes: Set(WidthPruning.Axis.allCases), plan: plan)
    let scores = try NeuronScore.minitron.measure(model, prompts: prompts, plan: plan)
    #expect(try pruning.minitron([.mlp: 0.25]).neurons == NeuronSelection(scores: scores).share(0.25))
    #expect(try pruning.minitron([.mlp: 0.25]).layers.isEmpty)

    let hidden = try pruning.minitron([.hidden: 0.25])
    #expect(hidden.channels.count == 32)
    var sums = [Double](repeating: 0, count: 128)
    for layer in model.layers {
      for (point, norm) in [(Site.Point.residualIn, layer.attention!.norm), (.residualMid, layer.mlp!.norm)] {
        let weights = try norm.floats().map(Double.init)
        var squares = sums.map { _ in 0.0 }
        for prompt in prompts {
          let rows = try NeuronScoreTests.rows(model, prompt, at: point)[layer.index].map { row in
            let scale = (row.reduce(0) { $0 + $1 * $1 } / 128 + model.config.normEpsilon).squareRoot()
            return zip(row, weights).map { abs($0 / scale * $1) }
          }
          for column in 0..<128 {
            let mean = rows.reduce(0) { $0 + $1[column] } / Double(rows.count)
            squares[column] += mean * mean
          }
        }
        for column in 0..<128 { sums[column] += squares[column].squareRoot() }
      }
    }
    #expect(NeuronScoreTests.error([pruning.channelScores()], [sums]) < 1e-5)

    let influence = try #require(try AblationStudy(model, prompts: prompts, options: Self.proxies, plan: plan).run().activity)
      .blockInfluence
    let least = Set(influence.indices.sorted { influence[$0] < influence[$1] }.prefix(2))
    #expect(try pruning.minitron([.depth: 0.25]).layers == least)
  }

  private static var proxies: StudyOptions {
    var options = StudyOptions()
    options.proxies = true
    return options
  }
}
