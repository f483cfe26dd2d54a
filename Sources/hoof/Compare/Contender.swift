import Formats
import Surgery
import TensorCore
import Terminal
import Tokenization
import Transformer

/// A model that takes part in a comparison: opened or planned, not yet loaded.
struct Contender {
  enum Origin {
    case file(ModelSource)
    case plan(ModelImport)
  }

  let name: String
  var choice: StrategyChoice?
  let origin: Origin
  /// Of the base's layers; nil for a file that does not say that it was cut from the base.
  let removedLayers: [Int]?

  var config: LlamaConfig {
    switch origin {
    case .file(let source): source.config
    case .plan(let plan): plan.config
    }
  }

  var sizes: ModelSizes {
    switch origin {
    case .file(let source): source.sizes
    case .plan(let plan): plan.after
    }
  }

  var path: String? {
    guard case .file(let source) = origin else { return nil }
    return source.path
  }

  init(base source: ModelSource) {
    name = "base"
    origin = .file(source)
    removedLayers = []
  }

  init(_ choice: StrategyChoice, _ plan: ModelImport) {
    name = choice.label
    self.choice = choice
    origin = .plan(plan)
    removedLayers = Contender.missing(from: plan.source, in: plan.originalLayers)
  }

  /// A cut that a file holds.
  /// - Parameter name: what tells it from the others.
  init(file source: ModelSource, name: String, base: ModelSource) {
    self.name = name
    origin = .file(source)
    let isDescendant = source.history.count >= base.history.count && Array(source.history.prefix(base.history.count)) == base.history
    let isKnown = isDescendant && (source.history.count > base.history.count || source.config.layers.count == base.config.layers.count)
    removedLayers = isKnown ? Contender.missing(from: base, in: source.originalLayers) : nil
  }

  private static func missing(from base: ModelSource, in kept: [Int]) -> [Int]? {
    guard kept.allSatisfy(base.originalLayers.contains) else { return nil }
    return base.originalLayers.indices.filter { !kept.contains(base.originalLayers[$0]) }
  }

  /// Whether it is the very same model: two methods may choose the same layers, which need not be measured twice.
  func isTwin(of other: Contender) -> Bool {
    guard case .plan(let own) = origin, case .plan(let theirs) = other.origin else { return false }
    // Then nothing but the layers and sublayers that stay decides.
    return own.originalLayers == theirs.originalLayers && own.config == theirs.config && own.takesWholeTensors && theirs.takesWholeTensors
  }

  /// - Parameter base: loaded; what a plan leaves as it is, is shared with it.
  func load(on backend: any ComputeBackend, sharing base: Llama?) throws -> Llama {
    switch origin {
    case .file(let source): try Llama(source, on: backend)
    case .plan(let plan): try Llama(plan, on: backend, sharing: base)
    }
  }
}

extension ModelImport {
  /// No tensor is cut or computed; norms may get another type.
  fileprivate var takesWholeTensors: Bool { items.allSatisfy { $0.source.map(\.shape) == $0.shape } }
}
