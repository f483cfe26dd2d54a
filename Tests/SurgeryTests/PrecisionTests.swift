import BackendCPU
import Evaluation
import Glibc
import Surgery
import TensorCore
import TestSupport
import Testing

/// What bf16 does to an ablation study, against the same study in f32: through the CPU, rounded where a GPU in bf16 precision rounds. Prints
/// the tables of `benchmarks/results/`.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), .serialized)
struct PrecisionTests {
  static func divergences(_ name: String, on backend: any ComputeBackend) throws -> [Component: Double] {
    let whole = try AblationReferenceTests.study(name, on: backend)
    var options = StudyOptions()
    (options.sublayers, options.heads, options.keyHeads) = (true, .all, true)
    let study = AblationStudy(whole.model, prompts: whole.prompts, options: options, plan: whole.plan)
    return try study.run().outcomes.mapValues(\.meanDivergence)
  }

  struct Correlations {
    let layers: Double, heads: Double, all: Double

    init(_ rounded: [Component: Double], _ full: [Component: Double]) throws {
      func spearman(_ wanted: (Component) -> Bool) throws -> Double {
        let chosen = full.keys.filter(wanted)
        return try #require(RankCorrelation(chosen.map { rounded[$0]! }, chosen.map { full[$0]! })).spearman
      }
      layers = try spearman { if case .layer = $0 { true } else { false } }
      heads = try spearman { if case .head = $0 { true } else { false } }
      all = try spearman { _ in true }
    }
  }

  @Test("bf16 ranks layers, heads and all components as f32 does", arguments: ReferenceModels.names)
  func ranks(name: String) throws {
    // A model that is stored in bf16, as models of the sizes GPUs are for are: what its weights are is no question of precision.
    let full = try Self.divergences(name, on: NarrowWeights(CPUBackend()))
    let rounded = try Self.divergences(name, on: MixedPrecisionBackend(CPUBackend()))
    let found = try Correlations(rounded, full)
    print("activations: | \(name) | \(found.layers) | \(found.heads) | \(found.all) |")
    for row in Self.decades(rounded, full) { print("activations: | \(name) \(row)") }
    #expect(found.layers >= 0.999 && found.heads >= 0.999 && found.all >= 0.999)
  }

  @Test("rounding the weights of a model stored in f32 as well", arguments: ReferenceModels.names)
  func weights(name: String) throws {
    let full = try Self.divergences(name, on: CPUBackend())
    for (what, backend) in [
      ("weights", NarrowWeights(CPUBackend()) as any ComputeBackend), ("weights and activations", MixedPrecisionBackend(CPUBackend())),
    ] {
      let rounded = try Self.divergences(name, on: backend)
      let found = try Correlations(rounded, full)
      print("\(what): | \(name) | \(found.layers) | \(found.heads) | \(found.all) |")
      for row in Self.decades(rounded, full) { print("\(what): | \(name) \(row)") }
      #expect(found.layers >= 0.999 && found.heads >= 0.999 && found.all >= 0.999)
    }
  }

  /// "| 1e-3 | 12 | mean | greatest | greatest relative |": absolute errors of the KL by its decade.
  static func decades(_ rounded: [Component: Double], _ full: [Component: Double]) -> [String] {
    let groups = Dictionary(grouping: full) { Int(floor(log10(max($0.value, 1e-12)))) }
    return groups.sorted { $0.key < $1.key }.map { decade, members in
      let errors = members.map { abs(rounded[$0.key]! - $0.value) }
      let mean = errors.reduce(0, +) / Double(errors.count)
      let relative = zip(errors, members).map { $0 / $1.value }.max() ?? 0
      return "| 1e\(decade) | \(members.count) | \(Float(mean)) | \(Float(errors.max() ?? 0)) | \(Float(relative)) |"
    }
  }
}

/// Keeps weights in bf16 and everything else in f32: the model a GPU in bf16 precision has, computed exactly.
private final class NarrowWeights: BackendDecorator {
  let base: any ComputeBackend
  init(_ base: any ComputeBackend) { self.base = base }
  func weights(storedAs dtype: DType) -> DType { dtype == .f32 || dtype == .f16 ? .bf16 : dtype }
}
