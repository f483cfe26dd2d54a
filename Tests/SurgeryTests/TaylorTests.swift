import BackendCPU
import Evaluation
import JSON
import Surgery
import TensorCore
import TestSupport
import Testing
import Transformer

/// Taylor importance on real models.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct TaylorTests {
  static func prompts(_ name: String) throws -> [[Int32]] {
    ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"])
  }

  static func importance(
    _ model: Llama, _ prompts: [[Int32]], _ form: TaylorImportance.Form, groups: [Range<Int>]? = nil,
    monitor: AblationStudy.Monitor = { _ in }
  ) throws -> TaylorImportance {
    var plan = StudyPlan(lengths: prompts.map(\.count), config: model.config, budget: 1 << 30)
    if let groups { plan.groups = groups }
    return try TaylorImportance(model, prompts: prompts, form: form, plan: plan, monitor: monitor)
  }

  struct Expected: Sendable {
    let form: TaylorImportance.Form
    let layer: Int
    /// Neurons 0, 1 and 100.
    let neurons: [Double]
    let neuronSum: Double
    let heads: [Double]
  }

  /// talespin-tiny, the first four prompts of its ablation reference, in float64 with JAX 0.10: the model written down once more in
  /// jax.numpy, `jax.grad` with respect to the weights, and to masks of ones, one for every token, on the heads' outputs and the neurons.
  static let expected = [
    Expected(
      form: .weights, layer: 0, neurons: [0.0471430692, 0.143698271, 0.0535066957], neuronSum: 25.9193917,
      heads: [1.58017014, 2.02461973, 0.29832152, 0.307614365, 0.628417269, 0.767748931, 0.362441846, 0.339364601]),
    Expected(
      form: .weights, layer: 3, neurons: [0.0443674738, 0.0254588064, 0.0123765376], neuronSum: 9.34199771,
      heads: [0.93155064, 0.939546718, 0.503316057, 0.566350516, 0.695711615, 0.654823103, 0.799731035, 0.810441348]),
    Expected(
      form: .weights, layer: 7, neurons: [0.0434768151, 0.0818765267, 0.067167608], neuronSum: 17.4692279,
      heads: [0.761750078, 0.686024642, 1.06427476, 0.835262096, 0.629864478, 0.580370858, 0.778408608, 0.691836094]),
    Expected(
      form: .activations, layer: 0, neurons: [0.0135396782, 0.0429015147, 0.0139874094], neuronSum: 7.31461824,
      heads: [0.249617123, 0.418851292, 0.0524825312, 0.0449855433, 0.0958314525, 0.156438, 0.0497896379, 0.0531731545]),
    Expected(
      form: .activations, layer: 3, neurons: [0.0119536886, 0.00685950793, 0.00393295998], neuronSum: 2.63613426,
      heads: [0.121851826, 0.144822197, 0.060827283, 0.0740152164, 0.106257265, 0.0948644716, 0.104517507, 0.123401671]),
    Expected(
      form: .activations, layer: 7, neurons: [0.0103214219, 0.0202465832, 0.0171533815], neuronSum: 4.00745852,
      heads: [0.102559003, 0.0750923585, 0.182546778, 0.106631094, 0.093705891, 0.0889441967, 0.0956847623, 0.0649748164]),
  ]

  @Test("both forms agree with JAX in float64", arguments: TaylorImportance.Form.allCases)
  func reference(form: TaylorImportance.Form) throws {
    let model = try ReferenceModels.open("talespin-tiny", on: CPUBackend())
    let found = try Self.importance(model, Array(Self.prompts("talespin-tiny").prefix(4)), form)
    for expected in Self.expected where expected.form == form {
      let neurons = found.neurons[expected.layer]
      let pairs =
        zip([0, 1, 100].map { neurons[$0] }, expected.neurons) + [(neurons.reduce(0, +), expected.neuronSum)]
        + zip(found.heads[expected.layer], expected.heads)
      // float32 against float64; small scores are sums of small terms.
      for (value, reference) in pairs { #expect(relativeError(value, reference, floor: 1e-3) < 1e-4, "layer \(expected.layer)") }
    }
  }

  @Test("groups of prompts change no score", arguments: TaylorImportance.Form.allCases)
  func groups(form: TaylorImportance.Form) throws {
    let model = try ReferenceModels.open("stories260K", on: CPUBackend())
    let prompts = Array(try Self.prompts("stories260K").prefix(6))
    let whole = try Self.importance(model, prompts, form)
    let cut = try Self.importance(model, prompts, form, groups: [0..<1, 1..<4, 4..<6])
    for layer in model.layers.indices {
      for (a, b) in zip(whole.neurons[layer] + whole.heads[layer], cut.neurons[layer] + cut.heads[layer]) {
        // f32 sums in another order, of terms that partly cancel.
        #expect(relativeError(a, b, floor: 1e-3) < 1e-4)
      }
    }
  }

  @Test("memory that runs out halves the groups and is said; the scores stay", arguments: TaylorImportance.Form.allCases)
  func shrinking(form: TaylorImportance.Form) throws {
    let prompts = Array(try Self.prompts("stories260K").prefix(8))
    let expected = try Self.importance(ReferenceModels.open("stories260K", on: CPUBackend()), prompts, form)
    let device = SmallDevice(CPUBackend())
    let model = try ReferenceModels.open("stories260K", on: device)
    // The neurons of 8 prompts take 300 KB, the gradient of a matrix 44 KB.
    device.limit = 100 << 10
    var (notes, flops) = (0, 0.0)
    let found = try Self.importance(model, prompts, form) {
      notes += $0.note == nil ? 0 : 1
      flops += $0.flops
    }
    #expect(notes > 0)
    #expect(abs(flops / TaylorImportance.flops(model.config, lengths: prompts.map(\.count), form: form) - 1) < 1e-9)
    for layer in model.layers.indices {
      for (a, b) in zip(found.neurons[layer] + found.heads[layer], expected.neurons[layer] + expected.heads[layer]) {
        #expect(relativeError(a, b, floor: 1e-3) < 1e-4)
      }
    }
    device.limit = 10 << 10
    #expect(throws: StudyError.self) { try Self.importance(model, prompts, form) }
  }

  @Test("bf16 activations rank as f32 does", arguments: TaylorImportance.Form.allCases)
  func rounded(form: TaylorImportance.Form) throws {
    let prompts = Array(try Self.prompts("talespin-tiny").prefix(8))
    let full = try Self.importance(ReferenceModels.open("talespin-tiny", on: CPUBackend()), prompts, form)
    let rounded = try Self.importance(ReferenceModels.open("talespin-tiny", on: MixedPrecisionBackend(CPUBackend())), prompts, form)
    let heads = try #require(RankCorrelation(rounded.heads.flatMap { $0 }, full.heads.flatMap { $0 }))
    let neurons = try #require(RankCorrelation(rounded.neurons.flatMap { $0 }, full.neurons.flatMap { $0 }))
    // Scores are off by a percent or less, and some neighbours lie closer together: measured 0.9998 and 0.99998 and more.
    #expect(heads.spearman > 0.999 && neurons.spearman > 0.9999)
  }

  @Test("heads that matter by their gradient are those whose absence is measured to matter", arguments: ["stories260K", "talespin-tiny"])
  func correlation(name: String) throws {
    let model = try ReferenceModels.open(name, on: CPUBackend())
    let prompts = try Self.prompts(name)
    let measured = try SharedData.json("reference/\(name)/ablation.json")["heads"]?.array?.compactMap { $0["mean_kl"]?.double } ?? []
    var found: [TaylorImportance.Form: Double] = [:]
    for form in TaylorImportance.Form.allCases {
      let heads = try Self.importance(model, prompts, form).heads.flatMap { $0 }
      found[form] = try #require(RankCorrelation(heads, measured)).spearman
    }
    // Measured 0.934 and 0.971, against 0.335 and 0.861.
    #expect(found[.activations]! > 0.93 && found[.activations]! > found[.weights]!)
  }
}
