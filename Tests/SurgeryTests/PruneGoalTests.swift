import BackendCPU
import Formats
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// Budgets and limits.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct PruneGoalTests {
  static func run(_ method: PruneMethod, _ goal: PruneGoal) throws -> Pruner.Result {
    var pruner = try Pruning.pruner("stories260K", PruneOptions(method: method), prompts: 8)
    return try pruner.run(goal)
  }

  @Test("a share is rounded to whole units")
  func ratio() throws {
    #expect(try Self.run(.tail, PruneGoal(budget: .ratio(0.3))).cut == CutPlan(layers: [3, 4]))
    #expect(try Self.run(.tail, PruneGoal(budget: .ratio(0.1))).cut == CutPlan(layers: [4]))
    let result = try Self.run(.finercut, PruneGoal(budget: .ratio(0.3)))
    #expect(result.steps.last?.count == 3 && result.stop == "--ratio 0.3 is met: 3 of 10")
  }

  @Test("a target in parameters or bytes is met with the first cut that is small enough", arguments: [PruneMethod.greedy, .angular])
  func targets(method: PruneMethod) throws {
    let whole = try Pruning.source("stories260K").sizes
    let three = try Self.run(method, PruneGoal(budget: .drop(3))).steps.last!.after
    let parameters = try Self.run(method, PruneGoal(budget: .parameters(three.parameters)))
    #expect(parameters.steps.last?.count == 3 && parameters.stop == "--target-params \(three.parameters) is met: \(three.parameters)")
    #expect(try Self.run(method, PruneGoal(budget: .parameters(three.parameters - 1))).steps.last?.count == 4)
    let bytes = try Self.run(method, PruneGoal(budget: .bytes(three.bytes + 1)))
    #expect(bytes.steps.last?.count == 3 && bytes.stop.hasPrefix("--target-bytes \(three.bytes + 1) is met"))
    #expect(throws: PruneError.metAlready(asked: "--target-params \(whole.parameters)", is: "\(whole.parameters)")) {
      try Self.run(method, PruneGoal(budget: .parameters(whole.parameters)))
    }
  }

  @Test("bytes are those of the wanted type")
  func bytes() throws {
    let source = try Pruning.source("stories260K")
    let model = try Llama(source, on: CPUBackend())
    let quantised = try ModelImport(source, matrixType: .q8_0).after.bytes
    var pruner = try Pruner(source, model, options: PruneOptions(method: .tail), matrixType: .q8_0)
    let result = try pruner.run(PruneGoal(budget: .bytes(quantised - 1)))
    #expect(result.steps.count == 1 && result.steps[0].after.bytes < quantised)
    #expect(throws: PruneError.self) { try pruner.run(PruneGoal(budget: .bytes(quantised))) }
  }

  @Test("a limit stops before it would be crossed and says what would cross it", arguments: [PruneMethod.greedy, .shortgpt, .segment])
  func limits(method: PruneMethod) throws {
    var pruner = try Pruning.pruner("stories260K", PruneOptions(method: method), prompts: 8)
    let all = try pruner.run(PruneGoal(maxDivergence: .greatestFiniteMagnitude))
    #expect(all.steps.map(\.count) == [1, 2, 3, 4] && all.stop == "nothing more can go")
    let kl = all.steps.map { $0.outcome!.meanDivergence }
    let baseline = pruner.search!.baseline.perplexity
    let limit = (kl[1] + kl[2]) / 2
    let some = try Self.run(method, PruneGoal(maxDivergence: limit))
    // The curve may rise above the limit before; whatever it does, the first crossing ends it.
    let expected = kl.prefix { $0 <= limit }.count
    #expect(some.steps.count == expected && some.steps.map(\.cut) == all.steps.prefix(expected).map(\.cut))
    #expect(some.stop.hasPrefix("--max-kl \(limit) would be crossed: KL ") && some.stop.contains(" without layer "))

    let rise = 100 * (all.steps[0].outcome!.perplexity / baseline - 1)
    let one = try Self.run(method, PruneGoal(maxPerplexityIncrease: rise + 1e-6))
    #expect(one.steps.count == 1 && one.stop.hasPrefix("--max-ppl-increase "))
    do {
      _ = try Self.run(method, PruneGoal(budget: .drop(2), maxDivergence: kl[0] / 2))
      Issue.record("a crossed limit was kept")
    } catch let error as PruneError {
      #expect(error.description.contains("nothing can be cut: already without layer ") && error.description.contains("--max-kl"))
    }
  }

  @Test("of a budget and a limit whichever comes first ends the cutting")
  func both() throws {
    let free = try Self.run(.greedy, PruneGoal(budget: .drop(3)))
    let kl = free.steps.map { $0.outcome!.meanDivergence }
    let budget = try Self.run(.greedy, PruneGoal(budget: .drop(2), maxDivergence: kl[1]))
    #expect(budget.steps.count == 2 && budget.stop == "--drop 2 is met")
    let limit = try Self.run(.greedy, PruneGoal(budget: .drop(3), maxDivergence: kl[1]))
    #expect(limit.steps.count == 2 && limit.stop.hasPrefix("--max-kl "))
  }

  @Test("what cannot be reached is an error that says what can")
  func unreachable() throws {
    #expect(throws: PruneError.tooMany(asked: "--drop 5", most: 4, of: 5, unit: .layers)) {
      try Self.run(.greedy, PruneGoal(budget: .drop(5)))
    }
    #expect(throws: PruneError.tooFew(asked: "--ratio 0.05", of: 5, unit: .layers)) { try Self.run(.tail, PruneGoal(budget: .ratio(0.05))) }
    do {
      _ = try Self.run(.tail, PruneGoal(budget: .parameters(1000)))
      Issue.record("a thousand parameters were reached")
    } catch let error as PruneError {
      let least = try Self.run(.tail, PruneGoal(budget: .drop(4))).steps.last!.after
      #expect(error.description.contains("without 4 of 5 layers") && error.description.contains("\(least.parameters) parameters"))
    }
  }
}
