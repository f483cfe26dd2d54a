import BackendCPU
import Glibc
@testable import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// Sets of layers that are measured together, against each one measured alone.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct SkippedSetsTests {
  static let sets: [Set<Int>] = [[0, 2], [2, 3], [1], [3, 4], [0, 1, 2, 3]]

  /// The reference prompts that go on for long enough.
  private static func texts() throws -> [[Int32]] { try Pruning.prompts("stories260K").filter { $0.count > 9 } }

  private func measure(
    _ model: Llama, _ texts: [[Int32]], from start: Int, budget: Int = 1 << 30
  ) throws -> (whole: Outcome, cut: [Outcome]) {
    try SkippedSets.outcomes(of: model, without: Self.sets, on: texts, from: start, plan: Pruning.plan(model, texts, budget: budget))
  }

  /// The same positions' sums as one comparison of whole texts less one of their beginnings.
  private func alone(_ model: Llama, _ set: Set<Int>, _ texts: [[Int32]], from start: Int) throws -> [PromptOutcome] {
    func outcome(_ texts: [[Int32]]) throws -> Outcome {
      try ModelComparison(base: model, prompts: texts, plan: Pruning.plan(model, texts)).outcome(of: model.without(layers: set))
    }
    let whole = try outcome(texts).prompts
    guard start > 0 else { return whole }
    // One token more, so that the last row that is taken away has a next token to be scored by.
    let beginnings = texts.map { Array($0.prefix(start + 1)) }
    let (longer, before) = (try outcome(beginnings).prompts, try outcome(texts.map { Array($0.prefix(start)) }).prompts)
    return whole.indices.map { text in
      PromptOutcome(
        positions: whole[text].positions - before[text].positions, divergence: whole[text].divergence - before[text].divergence,
        lastDivergence: whole[text].lastDivergence, greatestDivergence: whole[text].greatestDivergence,
        loss: whole[text].loss - longer[text].loss, agreements: whole[text].agreements - before[text].agreements)
    }
  }

  @Test("every set's sums are those of a comparison with that set alone, on the same positions", arguments: [0, 1, 9])
  func comparison(start: Int) throws {
    for withMaps in [false, true] {
      let subject = try CutModel("stories260K", withMaps: withMaps)
      let found = try measure(subject.model, subject.texts, from: start)
      for (set, outcome) in zip(Self.sets, found.cut) {
        for (own, expected) in zip(outcome.prompts, try alone(subject.model, set, subject.texts, from: start)) {
          #expect(own.positions == expected.positions && own.agreements == expected.agreements, "\(set)")
          // Sums of some dozen floats of up to about 10, whose products were made in batches of other sizes.
          #expect(abs(own.divergence - expected.divergence) < 2e-4 && abs(own.loss - expected.loss) < 5e-4, "\(set)")
        }
      }
      #expect(found.whole.prompts.allSatisfy { abs($0.divergence) < 1e-4 && $0.agreements == $0.positions })
    }
  }

  @Test("the divergence is its definition on the rows behind the beginning, in double precision")
  func definition() throws {
    let model = try ReferenceModels.open("stories260K", on: CPUBackend())
    let texts = Array(try Self.texts().prefix(2))
    let full = try Pruning.logProbabilities(model, CutPlan(), texts)
    for (set, outcome) in zip(Self.sets, try measure(model, texts, from: 5).cut) {
      let changed = try Pruning.logProbabilities(model, CutPlan(layers: set), texts)
      for text in texts.indices {
        let rows = 5..<texts[text].count
        let divergence = rows.reduce(0.0) { sum, row in
          sum + zip(full[text][row], changed[text][row]).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        }
        let loss = rows.dropLast().reduce(0.0) { $0 - changed[text][$1][Int(texts[text][$1 + 1])] }
        // As in PruneSearchTests: float divergences against doubles.
        #expect(relativeError(outcome.prompts[text].divergence, divergence) < 2e-5, "\(set)")
        #expect(relativeError(outcome.prompts[text].loss, loss) < 2e-5, "\(set)")
      }
    }
  }

  @Test("texts in several groups give the same numbers")
  func groups() throws {
    let model = try ReferenceModels.open("stories260K", on: CPUBackend())
    let texts = try Self.texts()
    #expect(Pruning.plan(model, texts, budget: 1 << 20).groups.count > 1)
    let (whole, parts) = (try measure(model, texts, from: 8), try measure(model, texts, from: 8, budget: 1 << 20))
    for (a, b) in zip(whole.cut, parts.cut) {
      #expect(a.positions == b.positions && relativeError(b.meanDivergence, a.meanDivergence) < 1e-4)
      #expect(relativeError(b.crossEntropy, a.crossEntropy) < 1e-4)
    }
  }

  @Test("a device's last memory gives the same numbers, and says so")
  func memory() throws {
    let device = SmallDevice(CPUBackend())
    let model = try Llama(try Pruning.source("stories260K"), on: device)
    let texts = Array(try Self.texts().prefix(8))
    let expected = try measure(model, texts, from: 8)
    device.limit = 600 << 10
    var notes: [String] = []
    let found = try SkippedSets.outcomes(of: model, without: Self.sets, on: texts, from: 8, plan: Pruning.plan(model, texts)) {
      if let note = $0.note { notes.append(note) }
    }
    #expect(!notes.isEmpty)
    for (a, b) in zip(expected.cut, found.cut) { #expect(relativeError(b.meanDivergence, a.meanDivergence) < 1e-4) }
  }

  @Test("sets share their layers up to where they part, and the progress that is reported adds up to what was announced")
  func sharing() throws {
    // Layer 0 for {} and {1}; layer 1 for {} and {0}; layer 2 for all three.
    #expect(SkippedSets.runs(of: 3, without: [[0], [1]]) == [1, 2, 3])
    #expect(SkippedSets.runs(of: 4, without: [[2, 3], [1, 3]]) == [1, 1, 2, 1])
    let model = try ReferenceModels.open("stories260K", on: CPUBackend())
    let texts = Array(try Self.texts().prefix(4))
    var sum = 0.0
    _ = try SkippedSets.outcomes(of: model, without: Self.sets, on: texts, from: 3, plan: Pruning.plan(model, texts)) { sum += $0.flops }
    #expect(relativeError(sum, SkippedSets.flops(of: model, without: Self.sets, lengths: texts.map(\.count), from: 3)) < 1e-12)
  }
}
