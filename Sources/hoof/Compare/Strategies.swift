import Evaluation
import Formats
import Surgery
import TensorCore
import Terminal
import Tokenization
import Transformer

/// Makes the cuts that were asked for, as `hoof prune` would. What a method measured for a small cut serves its larger ones.
struct Strategies {
  private let source: ModelSource
  private let model: Llama
  private let seed: Int
  private let prompts: [[Int32]]
  private let plan: StudyPlan?
  private var pruners: [PruneMethod: Pruner] = [:]

  /// - Parameters:
  ///   - model: of `source`.
  ///   - prompts: calibration texts; empty where no method needs any.
  ///   - budget: bytes beside the weights.
  init(_ source: ModelSource, _ model: Llama, prompts: [[Int32]], budget: Int, seed: Int) {
    self.source = source
    self.model = model
    self.seed = seed
    self.prompts = prompts
    plan =
      prompts.isEmpty
      ? nil
      : StudyPlan(
        lengths: prompts.map(\.count), config: source.config, components: source.config.layers.count, budget: budget, on: model.backend)
  }

  mutating func cut(_ choice: StrategyChoice, monitor: @escaping Pruner.Monitor) throws -> (cuts: CutPlan, plan: ModelImport) {
    let method = choice.method
    var options = PruneOptions(method: method)
    options.seed = seed
    let measures = method.facts.calibration == .texts
    var pruner =
      try pruners[method]
      ?? Pruner(source, model, options: options, prompts: measures ? prompts : nil, plan: measures ? plan : nil, monitor: monitor)
    let count = try choice.count(of: pruner)
    let cut = try pruner.cut(count, monitor: monitor)
    pruners[method] = pruner
    let plan = try cut.model(of: source, base: model, method: method.rawValue, prompts: measures ? prompts : nil) { _, _ in
      // Turning the stream of a wide model takes minutes.
      try Interrupt.check(saved: CompareRun.nothingWritten)
    }
    return (cut, plan)
  }

  /// About what all of them cost, in floating-point operations.
  func cost(of choices: [StrategyChoice]) -> Double {
    let pass = StudyCost(source.config, lengths: prompts.map(\.count)).full
    let largest = Dictionary(grouping: choices, by: \.method).mapValues { $0.map { $0.units ?? 1 }.max() ?? 1 }
    return pass
      * largest.reduce(0) { $0 + Strategies.passes($1.key, removing: $1.value, of: source.config.layers.count, prompts: prompts.count) }
  }

  /// Passes of the full model, as `PruneMethod.Facts.cost` has them.
  private static func passes(_ method: PruneMethod, removing count: Int, of layers: Int, prompts: Int) -> Double {
    let (count, layers) = (Double(count), Double(layers))
    return switch method {
    case .ablation: 1 + layers / 2
    case .greedy: 1 + count * layers / 2
    case .finercut: 1 + count * layers
    case .segment: 1 + (layers - count) * (layers - count) / (2 * layers)
    case .segmentGate: 1 + PruneMethod.gatePasses(prompts: prompts)
    case .mrp, .slicegpt: 2
    case .shortgpt, .angular, .attentionNorm, .owl, .minitron: 1
    case .magnitude, .tail, .first, .middle, .random: 0
    }
  }
}
