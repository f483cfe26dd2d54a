import Formats
import JSON
import Surgery
import TensorCore
import Terminal

/// The cut that the options of `hoof create` ask for, all of them in one plan.
struct RequestedCut {
  private let source: ModelSource
  private let arguments: Arguments
  private(set) var plan = CutPlan()
  /// What the user should know about it, a sentence each.
  private(set) var notes: [String] = []
  private var details: JSON.Object = [:]

  /// Options that cut something, in the order in which a model's history names them.
  private static let cuts = [
    "layers", "drop-layers", "keep-layers", "drop-attention", "drop-mlp", "prune-heads", "prune-neurons", "neuron-ratio",
  ]

  init(_ source: ModelSource, _ arguments: Arguments) throws {
    self.source = source
    self.arguments = arguments
    try checkCombinations()
    var report: MeasuredReport?
    if let path = arguments.string("layers") { report = try MeasuredReport(at: path, layers: source.config.layers.count) }
    try chooseLayers(report)
    if let report {
      if !arguments.has("force") { try report.check(source, quiet: arguments.has("quiet")) }
      details = report.details
    }
    for (option, path) in [("drop-attention", \CutPlan.attention), ("drop-mlp", \CutPlan.mlp)] {
      guard let layers = arguments.indices(option) else { continue }
      try check(layers, "--\(option)")
      plan[keyPath: path] = Set(layers)
    }
    let scores = CutScores(source, report, arguments)
    try chooseHeads(scores)
    try chooseNeurons(scores)
    if let measured = scores.measuredOn { details[report == nil ? "calibration" : "score_calibration"] = .string(measured) }
    plan = plan.normalized(for: source.config)
  }

  /// What `ModelImport` takes; nil when nothing goes.
  var cut: ModelImport.Cut? {
    guard !plan.isEmpty else { return nil }
    let method = RequestedCut.cuts.filter { arguments.has($0) }.joined(separator: " + ")
    return plan.cut(of: source.config, method: method, details: details)
  }

  /// An option that would do nothing is a mistake somebody wants to know of.
  private func checkCombinations() throws(UsageError) {
    let neurons = ["prune-neurons", "neuron-ratio"]
    for (option, companions) in [
      ("neuron-score", neurons), ("neuron-multiple", neurons), ("calibration", neurons + ["prune-heads"]),
      ("max-tokens", neurons + ["prune-heads"]), ("no-bos", neurons + ["prune-heads"]),
    ] where arguments.has(option) && !companions.contains(where: arguments.has) {
      throw UsageError(command: "create", "--\(option) goes with --\(companions.joined(separator: " or --"))")
    }
  }

  private func check(_ layers: [Int], _ place: String) throws(CommandError) {
    let count = source.config.layers.count
    guard let bad = layers.first(where: { !(0..<count).contains($0) }) else { return }
    throw CommandError("\(place): layer \(bad) does not exist; \(source.path) has layers 0 to \(count - 1)")
  }

  private mutating func chooseLayers(_ report: MeasuredReport?) throws(CommandError) {
    if let report {
      let layers = try report.suggestedDrop()
      try check(layers, "\(report.path): suggested_drop")
      plan.layers = Set(layers)
    } else if let dropped = arguments.indices("drop-layers") {
      try check(dropped, "--drop-layers")
      plan.layers = Set(dropped)
    } else if let kept = arguments.indices("keep-layers") {
      try check(kept, "--keep-layers")
      plan.layers = Set(source.config.layers.indices).subtracting(kept)
    }
  }

  /// Layers whose attention or MLP, whichever is asked about, stays.
  private func staying(_ gone: KeyPath<CutPlan, Set<Int>>) -> Set<Int> {
    Set(source.config.layers.indices).subtracting(plan.layers).subtracting(plan[keyPath: gone])
  }

  private mutating func chooseHeads(_ scores: CutScores) throws {
    guard let text = arguments.string("prune-heads") else { return }
    let config = source.config
    switch try HeadArgument(text) {
    case .list(let heads):
      try check(heads.keys.sorted(), "--prune-heads")
      for (layer, gone) in heads.sorted(by: { $0.key < $1.key }) {
        if let objection = HeadSelection.objection(to: gone, of: config.layers[layer]) {
          throw CommandError("--prune-heads: layer \(layer): \(objection)")
        }
      }
      plan.heads = heads
    case .groups(let ratio):
      try check(ratio, of: config.layers.map(\.keyHeads), "key/value groups", instead: "each:\(ratio) takes heads of each group")
      plan.heads = HeadSelection(try scores.heads(groups: true), of: config).groups(ratio)
    case .each(let ratio):
      let shares = config.layers.map { $0.keyHeads == 0 ? 0 : $0.queryHeads / $0.keyHeads }
      try check(ratio, of: shares, "heads of a group", instead: "\(ratio) takes whole groups")
      plan.heads = HeadSelection(try scores.heads(groups: false), of: config).each(ratio)
    }
    plan.heads = plan.heads.filter { staying(\.attention).contains($0.key) }
    details["heads"] = .string(text)
  }

  /// Refuses a share that no layer has enough parts for.
  private func check(_ ratio: Double, of counts: [Int], _ what: String, instead: String) throws(CommandError) {
    let most = counts.max() ?? 0
    guard most > 1 else {
      throw CommandError("--prune-heads: no layer has more than \(most) \(what), and one has to stay", advice: instead)
    }
    guard NeuronBudget.gone(most, ratio) == 0 else { return }
    throw CommandError("--prune-heads: a share of \(ratio) takes none of \(most) \(what)", advice: "the least is 1/\(most); " + instead)
  }

  private mutating func chooseNeurons(_ scores: CutScores) throws {
    let (threshold, ratio) = (arguments.double("prune-neurons"), arguments.double("neuron-ratio"))
    guard threshold != nil || ratio != nil else { return }
    let score = arguments.string("neuron-score").flatMap(NeuronScore.init) ?? .meanAbsolute
    var values = try scores.neurons(score)
    // What goes anyway is not chosen from, and cannot be emptied.
    let staying = staying(\.mlp)
    for layer in values.indices where !staying.contains(layer) { values[layer] = [] }
    do throws(SelectionError) {
      let selection = try NeuronSelection(scores: values, multiple: arguments.int("neuron-multiple") ?? NeuronSelection.usualMultiple)
      plan.neurons = try threshold.map { (threshold) throws(SelectionError) in try selection.below(threshold) } ?? selection.share(ratio!)
    } catch {
      throw CommandError("--\(threshold == nil ? "neuron-ratio" : "prune-neurons"): \(error)")
    }
    if plan.neurons.isEmpty { notes.append(noNeurons(threshold, values)) }
    details["neuron_score"] = .string(score.rawValue)
    if let threshold { details["neuron_threshold"] = .double(threshold) }
    if let ratio { details["neuron_ratio"] = .double(ratio) }
  }

  private func noNeurons(_ threshold: Double?, _ scores: [[Double]]) -> String {
    let multiple = arguments.int("neuron-multiple") ?? NeuronSelection.usualMultiple
    if let threshold, scores.joined().allSatisfy({ $0 >= threshold }) {
      return "no neuron scores below \(threshold), so none goes; the least is \(scores.joined().min() ?? 0)"
    }
    return "no layer has \(multiple) neurons to lose, so none goes: what stays is rounded up to a multiple of \(multiple)"
  }
}
