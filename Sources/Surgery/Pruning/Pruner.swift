import Formats
import JSON
import TensorCore
import Transformer

/// Chooses what goes from a model by a named method, and stops where a goal says.
public struct Pruner {
  public typealias Monitor = RemovalSearch.Monitor

  public let source: ModelSource
  public let model: Llama
  public let options: PruneOptions
  /// What was measured on the calibration texts; nil without any.
  public let search: RemovalSearch?
  private let matrixType: DType?
  private let plan: StudyPlan?
  private var sequence: any CutSequence
  private var comparison: ModelComparison?

  /// Runs the model once over the calibration texts, if there are any; `ablation` measures every layer.
  /// - Parameters:
  ///   - model: of `source`.
  ///   - matrixType: what the matrices will be stored as, for budgets in bytes; nil for as they are.
  ///   - prompts: calibration texts; may be nil where the method needs none, and then nothing is measured.
  ///   - plan: how they are cut to the memory there is.
  public init(
    _ source: ModelSource, _ model: Llama, options: PruneOptions, matrixType: DType? = nil, prompts: [[Int32]]? = nil,
    plan: StudyPlan? = nil, journal: StudyJournal? = nil, monitor: @escaping Monitor = { _ in }
  ) throws {
    precondition(prompts != nil || options.method.facts.calibration == .none, "prune: \(options.method.rawValue) without texts")
    precondition((prompts == nil) == (plan == nil), "prune: texts and their plan go together")
    self.source = source
    self.model = model
    self.options = options
    self.matrixType = matrixType
    self.plan = plan
    let observing = [.shortgpt, .angular, .attentionNorm].contains(options.method)
    search = try prompts.map {
      try RemovalSearch(model, prompts: $0, plan: plan!, observing: observing, journal: journal, monitor: monitor)
    }
    sequence = try Pruner.sequence(options, model, search, plan, monitor)
  }

  /// The one place where a method gets its way of choosing.
  private static func sequence(
    _ options: PruneOptions, _ model: Llama, _ search: RemovalSearch?, _ plan: StudyPlan?, _ monitor: @escaping Monitor
  ) throws -> any CutSequence {
    let count = model.layers.count
    let layers = options.keepEnds ? min(1, count)..<max(1, count - 1) : 0..<count
    switch options.method {
    case .ablation:
      let outcomes = try search!.measure(layers.map { .layer($0) }, activity: "single layers", monitor: monitor)
      let values = (0..<count).map { outcomes[.layer($0)]?.meanDivergence ?? .nan }
      return RankedCuts(layers, of: count, by: values, named: "kl")
    case .greedy:
      return GreedySearch(search!, candidates: layers.map { .layer($0) }, metric: options.searchMetric)
    case .finercut:
      let parts = Component.sublayers(model.config).filter { layers.contains($0.layer) }
      return GreedySearch(search!, candidates: parts, metric: options.searchMetric, exclusion: .init(rate: options.exclude))
    case .shortgpt: return RankedCuts(layers, of: count, by: search!.activity!.blockInfluence, named: "block_influence")
    case .attentionNorm: return RankedCuts(layers, of: count, by: search!.activity!.attentionNorm, named: "attention_norm")
    case .magnitude:
      return RankedCuts(layers, of: count, by: try model.layers.map { try $0.meanMagnitude() }, named: "weight_magnitude")
    case .angular: return AngularCuts(layers, of: count, search!.activity!.blocks)
    case .segment: return SegmentCuts(search!, layers)
    case .segmentGate: return GateCuts(search!, layers, rowsPerChunk: plan!.rowsPerChunk)
    case .tail: return RankedCuts(Array(layers.reversed()), of: count)
    case .first: return RankedCuts(Array(layers), of: count)
    case .middle: return RankedCuts(RankedCuts.middle(layers), of: count)
    case .random: return RankedCuts(RankedCuts.shuffled(layers, seed: options.seed), of: count)
    case .slicegpt: return WidthCuts(total: model.config.hiddenSize)
    case .mrp, .owl, .minitron: return try NeuronCuts(options, model, prompts: search!.prompts, plan: plan!, monitor: monitor)
    }
  }

  /// Units there are of what the method cuts, and how many may go.
  public var total: Int { sequence.total }
  public var most: Int { sequence.most }
  /// The numbers the choice was made by.
  public var scores: JSON { sequence.scores }

  /// Everything that goes with `count` units, 1 to `most`; a search goes on from what it measured for a smaller count.
  public mutating func cut(_ count: Int, monitor: Monitor = { _ in }) throws -> CutPlan {
    precondition((1...max(1, most)).contains(count), "prune: \(count) of at most \(most)")
    return try sequence.cut(count, monitor: monitor)
  }

  /// One more cut on the way to the goal.
  public struct Step: Sendable {
    /// Units that are gone.
    public let count: Int
    /// All that is gone.
    public let cut: CutPlan
    /// Against the full model; nil without calibration texts.
    public let outcome: Outcome?
    public let after: ModelSizes
  }

  public struct Result: Sendable {
    public var steps: [Step]
    /// Why it ended there, in words.
    public let stop: String
    public var cut: CutPlan { steps.last?.cut ?? CutPlan() }
  }

  /// Cuts more and more until the budget is met or the next cut would cross a limit.
  public mutating func run(_ goal: PruneGoal, monitor: Monitor = { _ in }) throws -> Result {
    precondition(!goal.hasLimit || search != nil, "prune: a limit without texts to measure it on")
    let target = try target(goal)
    // What lies on the way to a size, where a cut does not hold the one before, is of no interest: only the last is measured.
    let isMeasured = sequence.isNested || goal.hasLimit || target != nil
    var steps: [Step] = []
    var count = 0
    while true {
      var next = min(count + sequence.increment, target ?? sequence.most, sequence.most)
      // Blocks of other lengths say nothing about the wanted one.
      if !sequence.isNested, !goal.hasLimit, let target { next = target }
      guard next > count else {
        let left = steps.last?.after ?? source.sizes
        if case .parameters(let most)? = goal.budget { throw unreachable("--target-params \(most)", count, left) }
        if case .bytes(let most)? = goal.budget { throw unreachable("--target-bytes \(most)", count, left) }
        return Result(steps: steps, stop: "nothing more can go")
      }
      let cut = try sequence.cut(next, monitor: monitor)
      let made = try cut.model(
        of: source, base: model, matrixType: matrixType, method: options.method.rawValue, prompts: search?.prompts)
      let met = met(goal.budget, next, target, made.after)
      let asMeasured = matrixType == nil ? made : nil
      let outcome = try sequence.outcome(next) ?? (isMeasured || met != nil ? measure(cut, asMeasured, monitor: monitor) : nil)
      if let outcome, let reason = goal.crossed(by: outcome, baseline: search!.baseline) {
        let parts = cut.labels(besides: steps.last?.cut).joined(separator: ", ")
        if steps.isEmpty { throw PruneError.limit(cut: parts, reason: reason) }
        return Result(steps: steps, stop: "\(reason) without \(parts)")
      }
      if !isMeasured { steps = [] }
      steps.append(Step(count: next, cut: cut, outcome: outcome, after: made.after))
      count = next
      if let met { return Result(steps: steps, stop: met) }
    }
  }

  private func met(_ budget: PruneGoal.Budget?, _ count: Int, _ target: Int?, _ after: ModelSizes) -> String? {
    switch budget {
    case nil: nil
    case .drop(let wanted): count >= wanted ? "--drop \(wanted) is met" : nil
    case .ratio(let ratio): count >= target! ? "--ratio \(ratio) is met: \(count) of \(sequence.total)" : nil
    case .parameters(let most): after.parameters <= most ? "--target-params \(most) is met: \(after.parameters)" : nil
    case .bytes(let most): after.bytes <= most ? "--target-bytes \(most) is met: \(after.bytes)" : nil
    }
  }

  /// How many units a budget asks for; nil where that shows on the way.
  private func target(_ goal: PruneGoal) throws(PruneError) -> Int? {
    let unit = options.method.facts.unit
    let (asked, count): (String, Int)
    switch goal.budget {
    case .drop(let wanted):
      if unit != .layers, unit != .sublayers { throw .countsNothing(method: options.method) }
      (asked, count) = ("--drop \(wanted)", wanted)
    case .ratio(let ratio): (asked, count) = ("--ratio \(ratio)", Int((ratio * Double(sequence.total)).rounded()))
    case .parameters(let most):
      if source.sizes.parameters <= most { throw .metAlready(asked: "--target-params \(most)", is: "\(source.sizes.parameters)") }
      if let least = leastSizes, least.parameters > most { throw unreachable("--target-params \(most)", sequence.most, least) }
      return nil
    case .bytes(let most):
      let bytes = (try? ModelImport(source, matrixType: matrixType).after.bytes) ?? source.sizes.bytes
      if bytes <= most { throw .metAlready(asked: "--target-bytes \(most)", is: "\(bytes)") }
      if let least = leastSizes, least.bytes > most { throw unreachable("--target-bytes \(most)", sequence.most, least) }
      return nil
    case nil: return nil
    }
    if count < 1 { throw .tooFew(asked: asked, of: sequence.total, unit: unit) }
    if count > sequence.most { throw .tooMany(asked: asked, most: sequence.most, of: sequence.total, unit: unit) }
    return count
  }

  private func unreachable(_ asked: String, _ count: Int, _ left: ModelSizes) -> PruneError {
    let gone = "\(count) of \(sequence.total) \(options.method.facts.unit.rawValue)"
    return .unreachable(
      asked: asked, reachable: "without \(gone), all that can go, \(left.parameters) parameters of \(left.bytes) bytes are left")
  }

  /// What stays at least when whole layers go, so that a search is not begun in vain; nil for other cuts.
  private var leastSizes: ModelSizes? {
    guard options.method.facts.unit == .layers else { return nil }
    var sizes = ModelSizes.layers(of: source.config).enumerated().sorted { ($0.element, $0.offset) > ($1.element, $1.offset) }
    sizes.removeLast(sizes.count - sequence.most)
    return try? ModelImport(source, matrixType: matrixType, cut: CutPlan(layers: sizes.map(\.offset)).cut(of: source.config, method: ""))
      .after
  }

  /// What a cut does on the calibration texts; nil without any. Layers and sublayers share the full model's prefix; other cuts are made in
  /// memory, in the types of the source, as the search does.
  /// - Parameter made: the new model's plan in those types, if it is there.
  private mutating func measure(_ cut: CutPlan, _ made: ModelImport?, monitor: Monitor) throws -> Outcome? {
    guard let search, let plan else { return nil }
    if cut.isWholeParts { return try search.outcome(of: cut, monitor: monitor) }
    if comparison == nil { comparison = try ModelComparison(base: model, prompts: search.prompts, plan: plan) }
    let changed = try made ?? cut.model(of: source, base: model, method: options.method.rawValue, prompts: search.prompts)
    return try comparison!.outcome(of: Llama(changed, on: model.backend, sharing: model))
  }
}

extension ModelSizes {
  /// Parameters of each layer.
  fileprivate static func layers(of config: LlamaConfig) -> [Int] {
    config.layers.map { layer in TensorName.Part.allCases.reduce(0) { $0 + (config.shape(of: $1, in: layer)?.count ?? 0) } }
  }
}

extension CutPlan {
  /// Whether only layers and sublayers go.
  var isWholeParts: Bool { heads.isEmpty && neurons.isEmpty && channels.isEmpty && patches.isEmpty && width == nil }

  /// What goes, for people and plan files: "layer 3", "mlp 5", "96 neurons of layer 2"; without what an earlier cut took.
  public func labels(besides earlier: CutPlan? = nil) -> [String] {
    let before = earlier ?? CutPlan()
    func counts(_ gone: [Int: Set<Int>], _ known: [Int: Set<Int>], _ noun: String) -> [String] {
      gone.sorted { $0.key < $1.key }.compactMap { layer, indices in
        let new = indices.subtracting(known[layer] ?? []).count
        return new == 0 ? nil : "\(new) \(noun) of layer \(layer)"
      }
    }
    var labels = layers.subtracting(before.layers).sorted().map { "layer \($0)" }
    labels += attention.subtracting(before.attention).sorted().map { "attention \($0)" }
    labels += mlp.subtracting(before.mlp).sorted().map { "mlp \($0)" }
    labels += counts(heads, before.heads, "heads") + counts(neurons, before.neurons, "neurons")
    let columns = channels.subtracting(before.channels).count
    if columns > 0 { labels.append("\(columns) channels") }
    if let width, width != before.width { labels.append("width down to \(width)") }
    return labels
  }
}
