import BackendCPU
import Formats
import JSON
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// Every method on real models.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), .serialized)
struct PruneMethodTests {
  @Test("every method cuts as much as asked, and the cut model does what was measured", arguments: Pruning.methods)
  func cuts(method: PruneMethod) throws {
    var pruner = try Pruning.pruner("stories260K", PruneOptions(method: method), prompts: 8)
    let result = try pruner.run(PruneGoal(budget: .drop(2)))
    let step = try #require(result.steps.last)
    #expect(step.count == 2 && result.stop == "--drop 2 is met")
    let gone = step.cut.layers.count + step.cut.attention.count + step.cut.mlp.count
    #expect(gone == 2 && (method == .finercut) == step.cut.layers.isEmpty)
    // The cut model itself, whose kept weights lie one after another, says the same as the search that passed layers by.
    let cut = try ModelImport(pruner.source, cut: step.cut.cut(of: pruner.source.config, method: "test"))
    let prompts = pruner.search!.prompts
    let comparison = try ModelComparison(base: pruner.model, prompts: prompts, plan: Pruning.plan(pruner.model, prompts))
    let outcome = try comparison.outcome(of: Llama(cut, on: pruner.model.backend))
    let measured = try #require(step.outcome)
    #expect(relativeError(measured.meanDivergence, outcome.meanDivergence) < 1e-5)
    #expect(relativeError(measured.perplexity, outcome.perplexity) < 1e-5)
    #expect(step.after == cut.after && step.after.parameters < pruner.source.sizes.parameters)
  }

  @Test("the README's table says what the methods say of themselves", arguments: PruneMethod.allCases)
  func table(method: PruneMethod) throws {
    let facts = method.facts
    let cells = ["`\(method.rawValue)`", facts.unit.rawValue, facts.formula, facts.source, facts.calibration == .none ? "0" : facts.cost]
    let row = cells.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
    #expect(try TestFiles.text(SharedData.packageRoot + "/README.md").contains("| \(row.joined(separator: " | ")) |\n"))
  }

  @Test("Block Influence and angular blocks are the reference's", arguments: ReferenceModels.names)
  func reference(name: String) throws {
    let expected = try SharedData.json("reference/\(name)/block_influence.json")
    var shortgpt = try Pruning.pruner(name, PruneOptions(method: .shortgpt))
    let order = expected["bi_order_least_first"]?.array?.compactMap(\.int) ?? []
    for count in 1..<order.count { #expect(try shortgpt.cut(count).layers == Set(order.prefix(count))) }
    for (value, entry) in zip(shortgpt.scores["block_influence"]?.array ?? [], expected["bi"]?.array ?? []) {
      #expect(relativeError(value.double ?? .nan, entry["bi"]?.double) < 1e-4)
    }
    let steps = try shortgpt.run(PruneGoal(budget: .drop(order.count - 1))).steps
    for (step, entry) in zip(steps, expected["drop_k_least_bi"]?.array ?? []) {
      #expect(relativeError(step.outcome!.meanDivergence, entry["mean_kl"]?.double) < 1e-4)
      #expect(relativeError(step.outcome!.perplexity, entry["ppl"]?.double) < 1e-4)
    }

    var angular = try Pruning.pruner(name, PruneOptions(method: .angular))
    let blocks = expected["angular"]?.array ?? []
    for length in 1..<order.count {
      let best = try #require(
        blocks.filter { $0["n"]?.int == length }.min { ($0["last_token"]?.double ?? 9) < ($1["last_token"]?.double ?? 9) })
      let start = try #require(best["start"]?.int)
      #expect(try angular.cut(length).layers == Set(start..<start + length), "length \(length)")
    }
  }

  @Test("a segment search finds the best block of all, and no contiguous method a better one", arguments: 1...4)
  func segment(length: Int) throws {
    var segment = try Pruning.pruner("stories260K", PruneOptions(method: .segment), prompts: 8)
    let found = try segment.cut(length)
    let (model, prompts) = (segment.model, segment.search!.prompts)
    let scores = try (0...5 - length).map { try Pruning.score(.kl, model, CutPlan(layers: $0..<$0 + length), prompts) }
    let best = scores.indices.min { scores[$0] < scores[$1] }!
    #expect(found == CutPlan(layers: best..<best + length))
  }

  @Test("baselines cut where their names say, keep the ends when asked, and draw the same from the same seed")
  func baselines() throws {
    func layers(_ method: PruneMethod, _ count: Int, keepEnds: Bool = false, seed: Int = 0) throws -> [Int] {
      var options = PruneOptions(method: method)
      (options.keepEnds, options.seed) = (keepEnds, seed)
      let source = try Pruning.source("talespin-15m")
      var pruner = try Pruner(source, Llama(source, on: CPUBackend()), options: options)
      #expect(pruner.total == 9 && pruner.most == (keepEnds ? 7 : 8) && pruner.search == nil)
      return try pruner.cut(count).layers.sorted()
    }
    #expect(try layers(.tail, 3) == [6, 7, 8] && layers(.tail, 3, keepEnds: true) == [5, 6, 7])
    #expect(try layers(.first, 2) == [0, 1] && layers(.first, 2, keepEnds: true) == [1, 2])
    #expect(try layers(.middle, 1) == [4] && layers(.middle, 2) == [3, 4] && layers(.middle, 3) == [3, 4, 5])
    #expect(try layers(.middle, 8) == Array(0..<8))
    let draws = try (0..<8).map { try layers(.random, 3, seed: $0) }
    #expect(try draws == (0..<8).map { try layers(.random, 3, seed: $0) } && Set(draws).count > 4)
    #expect(try layers(.random, 7, keepEnds: true, seed: 5) == Array(1...7))
    #expect(try layers(.magnitude, 8).count == 8)
  }

  @Test("FinerCut's exclusion leaves the first layers alone until enough has gone")
  func exclusion() throws {
    // Of 10 sublayers, 0.4: those of the first 10·0.4/2 + 1 = 3 layers, until 10·0.4 + 1 = 5 have gone. Layers 3 and 4 have four.
    var options = PruneOptions(method: .finercut)
    (options.exclude, options.metric) = (0.4, .kl)
    var pruner = try Pruning.pruner("stories260K", options, prompts: 4)
    let cut = try pruner.cut(4)
    #expect(cut.attention.union(cut.mlp).min()! >= 3)
    let next = try pruner.cut(5)
    #expect(next.attention.union(next.mlp).min()! < 3)
  }

  @Test("methods that cut neurons cut the share that was asked for", arguments: [PruneMethod.mrp, .owl, .minitron])
  func neurons(method: PruneMethod) throws {
    var pruner = try Pruning.pruner("talespin-tiny", PruneOptions(method: method), prompts: 8)
    let all = 8 * 384
    #expect(pruner.total == all && pruner.most == all - 8 * 32)
    let result = try pruner.run(PruneGoal(budget: .ratio(0.25)))
    let gone = result.cut.neurons.values.reduce(0) { $0 + $1.count }
    // Whole blocks of 32 stay in each of eight layers.
    #expect(gone <= all / 4 && gone > all / 4 - 8 * 32 && result.cut.layers.isEmpty)
    let step = try #require(result.steps.last)
    #expect(step.after.parameters == pruner.source.sizes.parameters - 3 * 128 * gone && step.outcome!.meanDivergence > 0)
    let less = try pruner.run(PruneGoal(budget: .parameters(step.after.parameters)))
    #expect(less.steps.last!.after.parameters <= step.after.parameters && less.steps.last!.outcome != nil)
  }

  @Test("SliceGPT narrows the stream to whole blocks, measured as the sliced model in memory")
  func width() throws {
    var pruner = try Pruning.pruner("talespin-tiny", PruneOptions(method: .slicegpt))
    let result = try pruner.run(PruneGoal(budget: .ratio(0.2)))
    #expect(result.cut.width == 96 && result.steps.count == 1 && pruner.total == 128 && pruner.most == 96)
    let prompts = pruner.search!.prompts
    let slice = try SliceGPT(pruner.model, prompts: prompts, width: 96)
    let plan = try ModelImport(pruner.source, cut: CutPlan().cut(of: pruner.source.config, method: "test"), rebuilt: slice.rebuilt)
    let comparison = try ModelComparison(base: pruner.model, prompts: prompts, plan: Pruning.plan(pruner.model, prompts))
    let outcome = try comparison.outcome(of: Llama(plan, on: pruner.model.backend))
    #expect(relativeError(result.steps[0].outcome!.meanDivergence, outcome.meanDivergence) < 1e-5)
    #expect(result.steps[0].after == plan.after)
    #expect(throws: PruneError.countsNothing(method: .slicegpt)) { try pruner.run(PruneGoal(budget: .drop(2))) }
  }

  /// Half of the texts to choose by, the other half to judge.
  @Test("greedy stays below the rankings and blocks in held-out KL at every number of removed layers")
  func curve() throws {
    let name = "talespin-15m"
    let source = try Pruning.source(name)
    let model = try Llama(source, on: CPUBackend())
    let prompts = try Pruning.prompts(name)
    let calibration = prompts.indices.filter { $0 % 2 == 0 }.map { prompts[$0] }
    let heldOut = prompts.indices.filter { $0 % 2 == 1 }.map { prompts[$0] }
    let judge = try RemovalSearch(model, prompts: heldOut, plan: Pruning.plan(model, heldOut))
    var curves: [PruneMethod: [Double]] = [:]
    for method in [PruneMethod.greedy, .segment, .shortgpt, .angular, .magnitude, .random] {
      var pruner = try Pruner(
        source, model, options: PruneOptions(method: method), prompts: calibration, plan: Pruning.plan(model, calibration))
      curves[method] = try (1...8).map { try judge.outcome(of: pruner.cut($0)).meanDivergence }
      print("held-out KL, \(method.rawValue): \(curves[method]!.map { $0.rounded(4) })")
    }
    for method in [PruneMethod.shortgpt, .angular, .magnitude, .random] {
      for count in 1...8 { #expect(curves[.greedy]![count - 1] <= curves[method]![count - 1], "\(method.rawValue), \(count) layers") }
    }
  }
}
