import Formats
import TensorTesting
import Terminal

/// The methods that `hoof compare` can cut with.
struct Strategies {
  struct Strategy {
    let name: String
    /// Whether it removes neurons or width instead of layers.
    var narrows = false
    /// Whether it measures the model on calibration texts.
    var measures = false
  }

  static let all = [Strategy(name: "tail"), Strategy(name: "first"), Strategy(name: "middle"), Strategy(name: "random")]
  static var names: String { all.map(\.name).joined(separator: ", ") }

  let source: ModelSource
  let seed: Int

  func cut(_ choice: StrategyChoice) throws -> ModelImport.Cut {
    guard case .layers(let drop) = choice.amount else { preconditionFailure("strategy \(choice.label)") }
    let layers = source.config.layers.count
    let dropped: Set<Int>
    switch choice.strategy {
    case "tail": dropped = Set(layers - drop..<layers)
    case "first": dropped = Set(0..<drop)
    case "middle": dropped = Set((layers - drop) / 2..<(layers - drop) / 2 + drop)
    default:
      var random = RandomGenerator(seed: UInt64(seed))
      dropped = Set(Array(0..<layers).shuffled(using: &random).prefix(drop))
    }
    return ModelImport.Cut(keepLayers: (0..<layers).filter { !dropped.contains($0) }, method: choice.strategy)
  }
}
