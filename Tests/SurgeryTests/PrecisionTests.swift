import BackendCPU
import Evaluation
import Glibc
import Surgery
import TensorCore
import TestSupport
import Testing

/// What bf16 weights and activations do to an ablation study, against the same study in f32: through the CPU, rounded where a GPU rounds.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), .serialized)
struct PrecisionTests {
  struct Pair {
    let component: Component
    let full: Double, rounded: Double
  }

  static func pairs(_ name: String) throws -> [Pair] {
    func outcomes(_ backend: any ComputeBackend) throws -> [Component: Outcome] {
      let whole = try AblationReferenceTests.study(name, on: backend)
      var options = StudyOptions()
      (options.sublayers, options.heads, options.keyHeads) = (true, .all, true)
      return try AblationStudy(whole.model, prompts: whole.prompts, options: options, plan: whole.plan).run().outcomes
    }
    let full = try outcomes(CPUBackend())
    let rounded = try outcomes(MixedPrecisionBackend(CPUBackend()))
    return full.map { Pair(component: $0.key, full: $0.value.meanDivergence, rounded: rounded[$0.key]!.meanDivergence) }
  }

  @Test("bf16 ranks layers and heads as f32 does", arguments: ReferenceModels.names)
  func ranks(name: String) throws {
    let pairs = try Self.pairs(name)
    func correlation(_ wanted: (Component) -> Bool) throws -> Double {
      let chosen = pairs.filter { wanted($0.component) }
      return try #require(RankCorrelation(chosen.map(\.rounded), chosen.map(\.full))).spearman
    }
    let layers = try correlation { if case .layer = $0 { true } else { false } }
    let heads = try correlation { if case .head = $0 { true } else { false } }
    let all = try correlation { _ in true }
    print("| \(name) | \(layers) | \(heads) | \(all) |")
    for row in Self.decades(pairs) { print("| \(name) \(row)") }
    #expect(layers >= 0.999 && heads >= 0.999 && all >= 0.999)
  }

  /// "| 1e-3 | 12 | mean | greatest |": absolute errors of the KL by its decade.
  static func decades(_ pairs: [Pair]) -> [String] {
    let groups = Dictionary(grouping: pairs) { Int(floor(log10(max($0.full, 1e-12)))) }
    return groups.sorted { $0.key < $1.key }.map { decade, members in
      let errors = members.map { abs($0.rounded - $0.full) }
      let mean = errors.reduce(0, +) / Double(errors.count)
      let relative = zip(errors, members).map { $0 / $1.full }.max() ?? 0
      return "| 1e\(decade) | \(members.count) | \(Float(mean)) | \(Float(errors.max() ?? 0)) | \(Float(relative)) |"
    }
  }
}
