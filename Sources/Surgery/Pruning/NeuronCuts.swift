import JSON
import TensorCore
import Transformer

/// MLP neurons, and with Minitron heads, columns of the residual stream and layers too, by methods that choose each layer's share
/// (`WidthPruning`). Units are neurons; a ratio holds for each of Minitron's axes alike.
struct NeuronCuts: CutSequence {
  private let pruning: WidthPruning
  private let method: PruneMethod
  private let axes: Set<WidthPruning.Axis>
  let total: Int
  let most: Int
  let isNested = false
  let scores: JSON = .object([:])

  /// Steps to a limit or a size: each is measured, so they are not too small.
  private static let steps = 20

  init(
    _ options: PruneOptions, _ model: Llama, prompts: [[Int32]], plan: StudyPlan, monitor: @escaping RemovalSearch.Monitor
  ) throws {
    method = options.method
    axes = method == .minitron ? options.axes : [.mlp]
    let sizes = model.config.layers.map(\.intermediateSize)
    total = sizes.reduce(0, +)
    // A block of each layer has to stay.
    most = total - sizes.reduce(0) { $0 + min($1, options.neuronMultiple) }
    pruning = try WidthPruning(
      model, prompts: prompts, axes: axes, multiple: options.neuronMultiple, plan: plan, monitor: monitor)
  }

  var increment: Int { max(1, total / NeuronCuts.steps) }

  func cut(_ count: Int, monitor: RemovalSearch.Monitor) throws -> CutPlan {
    let ratio = Double(count) / Double(total)
    return switch method {
    case .owl: try pruning.owl(ratio: ratio)
    case .mrp: try pruning.mrp(ratio: ratio)
    default: try pruning.minitron(Dictionary(uniqueKeysWithValues: axes.map { ($0, ratio) }))
    }
  }
}
