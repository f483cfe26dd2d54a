import BackendCPU
import Formats
import Glibc
import JSON
@testable import Surgery
import TensorCore
import TestSupport
import Transformer

/// Models, texts and a plain way to measure, for tests of pruning.
enum Pruning {
  static let methods: [PruneMethod] = [
    .ablation, .greedy, .shortgpt, .angular, .magnitude, .attentionNorm, .finercut, .segment, .segmentGate, .tail, .first, .middle, .random,
  ]

  static func source(_ name: String) throws -> ModelSource { try ModelSource.open(path: SharedData.path("models/\(name)")) }

  /// The reference prompts, with BOS, at most 64 ids each.
  static func prompts(_ name: String) throws -> [[Int32]] {
    ReferenceModels.lists(try SharedData.json("reference/\(name)/ablation.json")["prompt_ids"])
  }

  static func plan(_ model: Llama, _ prompts: [[Int32]], budget: Int = 1 << 30) -> StudyPlan {
    StudyPlan(lengths: prompts.map(\.count), config: model.config, budget: budget)
  }

  static func pruner(
    _ name: String, _ options: PruneOptions, prompts count: Int? = nil, budget: Int = 1 << 30, journal: StudyJournal? = nil,
    monitor: @escaping Pruner.Monitor = { _ in }
  ) throws -> Pruner {
    let source = try source(name)
    let model = try Llama(source, on: CPUBackend())
    let prompts = Array(try prompts(name).prefix(count ?? .max))
    return try Pruner(
      source, model, options: options, prompts: prompts, plan: journal?.plan ?? plan(model, prompts, budget: budget), journal: journal,
      monitor: monitor)
  }

  /// Log-probabilities of every position without the parts of a plan, by the hooks of `Bypass`, one prompt at a time.
  static func logProbabilities(_ model: Llama, _ cut: CutPlan, _ prompts: [[Int32]]) throws -> [[[Double]]] {
    let bypass = try Bypass(model, cut)
    return try prompts.map { prompt in
      let layout = try PackedLayout(lengths: [prompt.count], on: model.backend)
      let logits = try bypass.hidden(Tensor(prompt, on: model.backend), layout).linear(model.head)
      let (values, count) = (try logits.floats(), logits.columns)
      return prompt.indices.map { row in
        let line = values[row * count..<(row + 1) * count].map(Double.init)
        let most = line.max()!
        let total = most + log(line.reduce(0) { $0 + exp($1 - most) })
        return line.map { $0 - total }
      }
    }
  }

  /// What a search should find for a cut, in double precision from the definition.
  static func score(_ metric: SearchMetric, _ model: Llama, _ cut: CutPlan, _ prompts: [[Int32]]) throws -> Double {
    let (full, changed) = (try logProbabilities(model, CutPlan(), prompts), try logProbabilities(model, cut, prompts))
    var (sum, count) = (0.0, 0)
    for (prompt, ids) in prompts.enumerated() {
      for row in ids.indices {
        let (p, q) = (full[prompt][row], changed[prompt][row])
        switch metric {
        case .kl: sum += zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        case .js:
          for (a, b) in zip(p, q) {
            let m = log((exp(a) + exp(b)) / 2)
            sum += (exp(a) * (a - m) + exp(b) * (b - m)) / 2
          }
        case .nll:
          if row + 1 == ids.count { continue }
          sum -= q[Int(ids[row + 1])]
        }
        count += 1
      }
    }
    return sum / Double(count)
  }

  static func with(_ cut: CutPlan, _ component: Component) -> CutPlan {
    var cut = cut
    switch component {
    case .layer(let layer): cut.layers.insert(layer)
    case .attention(let layer): cut.attention.insert(layer)
    case .mlp(let layer): cut.mlp.insert(layer)
    default: break
    }
    return cut
  }
}
