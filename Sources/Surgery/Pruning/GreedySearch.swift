import Formats
import JSON

/// Takes out, again and again, the part without which the model changes least, and measures all that are left anew after each removal, so
/// that interactions count. Over layers the search of SLEB (arXiv 2402.09025), whose score is the NLL of the calibration texts and whose first
/// and last layer always stay: here the score is KL(full ‖ cut) unless asked otherwise, and all layers may go unless the ends are kept.
/// Over sublayers the search of FinerCut (arXiv 2405.18218), whose scores are means over vocabulary entries and not divergences in nats; the
/// order is what counts.
struct GreedySearch: CutSequence {
  /// FinerCut's `-x`: the first layers are left alone until a share of all sublayers has gone.
  struct Exclusion {
    let rate: Double

    /// As the official code counts: of S sublayers those of the first ⌊S·x/2⌋ + 1 layers, until ⌊S·x⌋ + 1 have gone.
    func applies(to component: Component, total: Int, removed: Int) -> Bool {
      rate > 0 && removed < Int(Double(total) * rate) + 1 && component.layer < Int(Double(total) * rate / 2) + 1
    }
  }

  private let search: RemovalSearch
  private let metric: SearchMetric
  private let exclusion: Exclusion
  private var candidates: [Component]
  /// Known beforehand: every candidate out of the whole model alone.
  private let measured: [Component: Outcome]
  private(set) var removals: [(component: Component, outcome: Outcome)] = []
  private var steps: [JSON] = []
  let total: Int
  let most: Int
  let isNested = true

  /// - Parameter measured: outcomes of single removals, if an ablation study has them already.
  init(
    _ search: RemovalSearch, candidates: [Component], metric: SearchMetric = .kl, exclusion: Exclusion = Exclusion(rate: 0),
    measured: [Component: Outcome] = [:]
  ) {
    self.search = search
    self.metric = metric
    self.exclusion = exclusion
    self.candidates = candidates
    self.measured = measured
    total = candidates.first.map { $0.isWholeLayer } ?? true ? search.model.layers.count : Component.sublayers(search.model.config).count
    // One layer, or one sublayer, has to stay.
    most = min(candidates.count, total - 1)
  }

  /// Removes until `count` parts are out.
  mutating func advance(to count: Int, monitor: RemovalSearch.Monitor) throws {
    while removals.count < min(count, most) {
      let allowed = candidates.filter { !exclusion.applies(to: $0, total: total, removed: removals.count) }
      let open = allowed.isEmpty ? candidates : allowed
      let isKnown = removals.isEmpty && open.allSatisfy { measured[$0] != nil }
      let outcomes =
        isKnown ? measured : try search.measure(open, metric: metric, activity: "removal \(removals.count + 1)", monitor: monitor)
      let best = open.min { metric.prefers($0, $1, in: outcomes) }!
      search.remove(best)
      candidates.removeAll { $0 == best }
      removals.append((best, outcomes[best]!))
      var scores = JSON.Object()
      for component in open { scores[component.label] = JSON(measured: metric.score(outcomes[component]!)) }
      steps.append(.object(scores))
    }
  }

  mutating func cut(_ count: Int, monitor: RemovalSearch.Monitor) throws -> CutPlan {
    try advance(to: count, monitor: monitor)
    var plan = CutPlan()
    for removal in removals.prefix(count) {
      switch removal.component {
      case .layer(let layer): plan.layers.insert(layer)
      case .attention(let layer): plan.attention.insert(layer)
      case .mlp(let layer): plan.mlp.insert(layer)
      case .head, .keyHead: preconditionFailure("greedy: heads are not among its parts")
      }
    }
    return plan
  }

  func outcome(_ count: Int) -> Outcome? { removals.indices.contains(count - 1) ? removals[count - 1].outcome : nil }

  /// Of each step: what every candidate would have cost.
  var scores: JSON { .object([metric.rawValue: .array(steps)]) }
}

extension Component {
  var isWholeLayer: Bool { if case .layer = self { true } else { false } }

  /// Every sublayer a model has, in the order of the forward pass.
  static func sublayers(_ config: LlamaConfig) -> [Component] {
    config.layers.indices.flatMap { index in
      (config.layers[index].queryHeads > 0 ? [Component.attention(index)] : [])
        + (config.layers[index].intermediateSize > 0 ? [Component.mlp(index)] : [])
    }
  }

  /// As reports and plans name it: "layer 3", "attention 3", "mlp 3".
  public var label: String {
    switch self {
    case .layer(let layer): "layer \(layer)"
    case .attention(let layer): "attention \(layer)"
    case .mlp(let layer): "mlp \(layer)"
    case .head(let layer, let head): "head \(layer).\(head)"
    case .keyHead(let layer, let head): "kv group \(layer).\(head)"
    }
  }
}
