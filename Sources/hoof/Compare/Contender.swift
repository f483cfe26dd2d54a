import Formats
import Glibc
import Surgery
import Synchronization
import TensorCore
import Terminal
import Tokenization
import Transformer

/// A model that takes part in a comparison: opened or planned, not yet loaded.
struct Contender {
  enum Origin {
    case file(ModelSource)
    case plan(ModelImport)
    /// Loaded already, and what it takes when it is stored.
    case healed(Llama, ModelSizes)
  }

  let name: String
  var choice: StrategyChoice?
  let origin: Origin
  /// Of the base's layers; nil for a file that does not say that it was cut from the base.
  let removedLayers: [Int]?
  /// What the plan cuts; nil for a file.
  private var cutPlan: CutPlan?
  private(set) var healing: Healing?

  var config: LlamaConfig {
    switch origin {
    case .file(let source): source.config
    case .plan(let plan): plan.config
    case .healed(let model, _): model.config
    }
  }

  var sizes: ModelSizes {
    switch origin {
    case .file(let source): source.sizes
    case .plan(let plan): plan.after
    case .healed(_, let sizes): sizes
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

  init(_ choice: StrategyChoice, _ cut: (cuts: CutPlan, plan: ModelImport)) {
    let plan = cut.plan
    name = choice.label
    self.choice = choice
    cutPlan = cut.cuts
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

  private init(_ cut: Contender, _ name: String, _ origin: Origin, _ healing: Healing) {
    self.name = name
    choice = cut.choice
    self.origin = origin
    removedLayers = cut.removedLayers
    cutPlan = cut.cutPlan
    self.healing = healing
  }

  /// The cut as the row that healed ones are compared with.
  func unhealed() -> Contender { Contender(self, name, origin, Healing(kind: .none, cut: name)) }

  func healed(_ healing: Healing, _ model: Llama, _ sizes: ModelSizes) -> Contender {
    Contender(self, "\(name) + \(healing.kind.rawValue)", .healed(model, sizes), healing)
  }

  /// The cut as a model of its own.
  func source() throws -> ModelSource {
    switch origin {
    case .file(let source): source
    case .plan(let plan): try ModelSource.temporary(plan)
    case .healed: preconditionFailure("comparison: \(name) is healed already")
    }
  }

  /// What was cut from `base`; nil where that cannot be told: a file that was changed in other ways, too.
  func cuts(of base: ModelSource) -> CutPlan? {
    if let cutPlan { return cutPlan }
    guard case .file(let source) = origin, let removedLayers, source.history.count == base.history.count + 1 else { return nil }
    var plan = CutPlan()
    plan.layers = Set(removedLayers)
    let left = base.config.layers.indices.filter { !plan.layers.contains($0) }.map { base.config.layers[$0] }
    return left == source.config.layers && source.config.finalPatch == base.config.finalPatch ? plan : nil
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
    case .healed(let model, _): model
    }
  }
}

extension ModelImport {
  /// No tensor is cut or computed; norms may get another type.
  fileprivate var takesWholeTensors: Bool { items.allSatisfy { $0.source.map(\.shape) == $0.shape } }
}

/// Names of files that live as long as somebody has them open: in TMPDIR, or else /var/tmp.
enum TemporaryPlace {
  private static let count = Atomic(0)

  static func path(_ ending: String) -> String {
    let named = Output.environment("TMPDIR") ?? ""
    return "\(named.isEmpty ? "/var/tmp" : named)/hoof-\(getpid())-\(count.add(1, ordering: .relaxed).oldValue).\(ending)"
  }
}

extension ModelSource {
  /// What `plan` would write, as a file that has no name any more.
  static func temporary(_ plan: ModelImport) throws -> ModelSource {
    let path = TemporaryPlace.path("hoof")
    defer { unlink(path) }
    try plan.write(to: path, threads: Creation.processorCount)
    return try ModelSource.open(path: path)
  }
}
