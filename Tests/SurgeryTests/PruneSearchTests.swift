import BackendCPU
import Formats
import Glibc
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// The shared search against one that computes every candidate from its definition, alone and in full.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct PruneSearchTests {
  struct Killed: Error {}

  @Test(
    "a search takes what a plain search takes, in the same order and for the same reasons",
    arguments: [(PruneMethod.greedy, SearchMetric.kl), (.greedy, .nll), (.finercut, .js), (.finercut, .kl)])
  func plain(method: PruneMethod, metric: SearchMetric) throws {
    var options = PruneOptions(method: method)
    options.metric = metric
    var pruner = try Pruning.pruner("stories260K", options, prompts: 6)
    let (model, prompts) = (pruner.model, pruner.search!.prompts)
    var open = method == .greedy ? model.layers.indices.map { Component.layer($0) } : Component.sublayers(model.config)
    var cut = CutPlan()
    for count in 1...3 {
      let found = try pruner.cut(count)
      let scores = try open.map { try Pruning.score(metric, model, Pruning.with(cut, $0), prompts) }
      let best = scores.indices.min { scores[$0] < scores[$1] }!
      cut = Pruning.with(cut, open.remove(at: best))
      #expect(found == cut, "removal \(count)")
      // Sums of some hundred float divergences against doubles.
      let step = try #require(pruner.scores[metric.rawValue]?.array?[count - 1])
      let own = step.object?.members.map { $0.1.double ?? .nan }.min() ?? .nan
      #expect(relativeError(own, scores[best]) < 2e-5)
    }
  }

  @Test("prompts in several groups, which make their prefixes anew, give the same search")
  func groups() throws {
    for options in [PruneOptions(method: .greedy), PruneOptions(method: .segment)] {
      var whole = try Pruning.pruner("stories260K", options, prompts: 8)
      var parts = try Pruning.pruner("stories260K", options, prompts: 8, budget: 1 << 20)
      #expect(Pruning.plan(parts.model, parts.search!.prompts, budget: 1 << 20).groups.count > 1)
      let (a, b) = (try whole.run(PruneGoal(budget: .drop(3))), try parts.run(PruneGoal(budget: .drop(3))))
      #expect(a.cut == b.cut)
      for (step, other) in zip(a.steps, b.steps) {
        // Batches of other sizes take other ways through the products.
        #expect(relativeError(other.outcome!.meanDivergence, step.outcome!.meanDivergence) < 1e-4)
      }
      #expect(whole.search!.cost.layerPasses < parts.search!.cost.layerPasses && whole.search!.cost.naive == parts.search!.cost.naive)
    }
  }

  @Test("the layer passes of a search are those of shared prefixes")
  func cost() throws {
    var pruner = try Pruning.pruner("stories260K", PruneOptions(method: .greedy), prompts: 2)
    _ = try pruner.cut(1)
    // The full pass of 5 layers; then 4 + 3 + 2 + 1 + 0 behind each candidate, against 4 for each.
    #expect(pruner.search!.cost.layerPasses == 15 && pruner.search!.cost.naive == 25)
    let gone = try #require(pruner.cut(1).layers.first)
    _ = try pruner.cut(2)
    // What lies behind the removal once more; then 3 + 2 + 1 + 0 of the four that are left, against 3 each.
    #expect(pruner.search!.cost.layerPasses == 15 + Double(4 - gone) + 6 && pruner.search!.cost.naive == 25 + 12)
    var finer = try Pruning.pruner("stories260K", PruneOptions(method: .finercut), prompts: 2)
    _ = try finer.cut(1)
    // Without attention l: the MLP's half and 4 - l layers; without MLP l: the attention's half and as many.
    #expect(finer.search!.cost.layerPasses == 5 + 2 * 10 + 10 * 0.5 && finer.search!.cost.naive == 5 + 10 * 4.5)
  }

  @Test("the Jensen-Shannon divergence is its definition, from kept logits and from hidden rows", arguments: [1, 5, 64])
  func jensenShannon(chunk: Int) throws {
    let backend = CPUBackend()
    let model = try ReferenceModels.open("stories260K", on: backend)
    let prompt = try Pruning.prompts("stories260K")[0]
    let layout = try PackedLayout(lengths: [prompt.count], on: backend)
    let ids = try Tensor(prompt, on: backend)
    let cuts = [CutPlan(layers: [2]), CutPlan(), CutPlan(layers: [0])]
    let full = try Bypass(model, CutPlan()).hidden(ids, layout)
    let hidden = try Tensor(cuts.count * full.rows, full.columns, on: backend)
    for (index, cut) in cuts.enumerated() {
      try backend.copy(Bypass(model, cut).hidden(ids, layout), into: hidden.rows(index * full.rows..<(index + 1) * full.rows))
    }
    let shannon = JensenShannon(rowsPerChunk: 8 * chunk)
    let a = try shannon.rows(of: .hidden(full), from: hidden, weight: model.head).floats()
    let b = try shannon.rows(of: .logits(full.linear(model.head)), from: hidden, weight: model.head).floats()
    for (index, cut) in cuts.enumerated() {
      let rows = index * full.rows..<(index + 1) * full.rows
      let expected = try Pruning.score(.js, model, cut, [prompt])
      for values in [a, b] {
        let mean = values[rows].reduce(0) { $0 + Double($1) } / Double(full.rows)
        // Log-probabilities of about -10 as floats are known to 1e-6; equal models differ by as much.
        #expect(abs(mean - expected) < 2e-6 + 1e-5 * expected, "\(mean) for \(expected)")
        #expect(values[rows].allSatisfy { $0 < Float(log(2.0)) + 1e-5 && $0 > -1e-5 })
      }
    }
  }

  @Test(
    "a killed search goes on where it was and ends as one that was not",
    arguments: [PruneMethod.ablation, .greedy, .finercut, .segment, .segmentGate])
  func resume(method: PruneMethod) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("journal")
    let options = PruneOptions(method: method)
    var whole = try Pruning.pruner("stories260K", options, prompts: 8, budget: 1 << 20)
    let expected = try whole.run(PruneGoal(budget: .drop(3)))
    let plan = Pruning.plan(whole.model, whole.search!.prompts, budget: 1 << 20)
    var calls = 0
    #expect(throws: Killed.self) {
      let journal = try StudyJournal(path: path, identity: "one", plan: plan, resuming: false)
      let monitor: Pruner.Monitor = { _ in
        calls += 1
        if calls == plan.groups.count + 6 { throw Killed() }
      }
      var pruner = try Pruning.pruner("stories260K", options, prompts: 8, journal: journal, monitor: monitor)
      _ = try pruner.run(PruneGoal(budget: .drop(3)), monitor: monitor)
    }
    let journal = try StudyJournal(path: path, identity: "one", plan: plan, resuming: true)
    #expect(journal.count == 6)
    var known = 0
    let count: Pruner.Monitor = { known += $0.isKnown ? 1 : 0 }
    var pruner = try Pruning.pruner("stories260K", options, prompts: 8, journal: journal, monitor: count)
    let result = try pruner.run(PruneGoal(budget: .drop(3)), monitor: count)
    #expect(known == 6)
    #expect(result.steps.map(\.cut) == expected.steps.map(\.cut) && result.steps.map(\.outcome) == expected.steps.map(\.outcome))
    #expect(pruner.scores == whole.scores && pruner.search!.cost == whole.search!.cost)
  }

  @Test("a search in a device's last memory goes on with less, to the same choice")
  func memory() throws {
    let device = SmallDevice(CPUBackend())
    let source = try Pruning.source("stories260K")
    let model = try Llama(source, on: device)
    let prompts = Array(try Pruning.prompts("stories260K").prefix(8))
    let expected = try Pruning.pruner("stories260K", PruneOptions(method: .greedy), prompts: 8)
    var plain = expected
    device.limit = 600 << 10
    var notes: [String] = []
    let monitor: Pruner.Monitor = { if let note = $0.note { notes.append(note) } }
    var pruner = try Pruner(
      source, model, options: PruneOptions(method: .greedy), prompts: prompts, plan: Pruning.plan(model, prompts), monitor: monitor)
    #expect(try pruner.cut(3, monitor: monitor) == plain.cut(3))
    #expect(!notes.isEmpty && notes.allSatisfy { $0.hasPrefix("out of memory: going on with ") }, "\(notes)")
  }
}
