import TensorCore
import Transformer

/// Does it pay to choose the layers that are left out anew for every text, from a cheap signal, when equally many go from each?
///
/// Sets of K layers are looked for on calibration texts; routers that were fitted there choose one of them for each held-out text from what
/// is known before its answer, and are compared with the one set that was best for all calibration texts. Prompt-routed depth pruning is
/// the idea of PuDDing (arXiv 2502.04348), which trains a router for it; here the routers are clusters and a ridge regression.
public struct SkipStudy: Sendable {
  public typealias Monitor = AblationStudy.Monitor

  public let model: Llama
  public let options: SkipOptions
  public let calibration: [[Int32]]
  public let heldOut: [[Int32]]
  /// Texts that were left out because nothing follows the first tokens.
  public let shortCalibration: Int, shortHeldOut: Int
  /// Held-out texts that were left out because they are calibration texts.
  public let shared: Int
  private let budget: Int

  /// - Parameters:
  ///   - calibration, heldOut: token ids, begin token included.
  ///   - budget: bytes of memory to use beside the weights.
  public init(
    _ model: Llama, calibration: [[Int32]], heldOut: [[Int32]], options: SkipOptions, budget: Int
  ) throws(SkipError) {
    try options.check(layers: model.layers.count)
    self.model = model
    self.options = options
    self.budget = budget
    let known = Set(calibration)
    let unseen = heldOut.filter { !known.contains($0) }
    shared = heldOut.count - unseen.count
    if unseen.isEmpty { throw .notHeldOut(texts: heldOut.count) }
    self.calibration = calibration.filter { $0.count > options.promptTokens }
    self.heldOut = unseen.filter { $0.count > options.promptTokens }
    (shortCalibration, shortHeldOut) = (calibration.count - self.calibration.count, unseen.count - self.heldOut.count)
    for (role, all, texts) in [(SkipError.Role.calibration, calibration, self.calibration), (.heldOut, unseen, self.heldOut)]
    where texts.isEmpty {
      throw .tooShort(role, longest: all.map(\.count).max() ?? 0, promptTokens: options.promptTokens)
    }
    let needed = options.clusters * SkipOptions.fewestPerCluster
    guard self.calibration.count >= needed else {
      throw .tooFew(.calibration, texts: self.calibration.count, needed: needed, clusters: options.clusters)
    }
    guard self.heldOut.count >= SkipOptions.fewestHeldOut else {
      throw .tooFew(.heldOut, texts: self.heldOut.count, needed: SkipOptions.fewestHeldOut, clusters: nil)
    }
  }

  /// The first row of a text that is scored: it stands on the last token of the prompt and predicts the first one behind.
  var firstRow: Int { options.promptTokens - 1 }

  private func plan(_ texts: [[Int32]], components: Int) -> StudyPlan {
    StudyPlan(lengths: texts.map(\.count), config: model.config, components: components, budget: budget, on: model.backend)
  }

  // MARK: Choosing sets

  /// About what `candidates` takes: which layers go is not known beforehand.
  public var searchFlops: Double {
    let cost = StudyCost(model.config, lengths: calibration.map(\.count))
    let single = model.config.layers.indices.reduce(0) { $0 + cost.flops(.layer($1)) }
    let share = Double(options.drop) / Double(model.layers.count)
    let search = cost.full + Double(options.drop) * single * (1 - share + share * share / 3)
    return options.pool == .all ? search : search * (options.depth > 0 ? 3 : 2)
  }

  /// Signals, clusters and the sets to choose from.
  public func candidates(monitor: @escaping Monitor = { _ in }) throws -> SkipCandidates {
    let signals = try PromptSignal.means(
      of: model, calibration, tokens: options.promptTokens, depth: options.depth, budget: budget, monitor: monitor)
    guard signals.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { throw SkipError.notANumber("the signal of a calibration text") }
    let scale = StandardScale(signals)
    let scaled = signals.map { scale($0) }
    let clusters = KMeans(scaled, clusters: options.clusters, seed: options.seed)

    let all = Array(model.layers.indices)
    let search = try RemovalSearch(model, prompts: calibration, plan: plan(calibration, components: all.count), monitor: monitor)
    guard search.baseline.crossEntropy.isFinite else { throw SkipError.notANumber("the model's own loss") }
    let single = try search.measure(all.map { .layer($0) }, activity: "single layers", monitor: monitor)
    let scores = all.map { SearchMetric.kl.score(single[.layer($0)]!) }
    let ranked = all.sorted { (scores[$0], $0) < (scores[$1], $1) }
    var greedy = GreedySearch(search, candidates: all.map { .layer($0) }, measured: single)
    let found = try greedy.cut(options.drop, monitor: monitor).layers

    var pool = SetPool()
    let (greedyIndex, leastIndex) = (pool.index(of: found), pool.index(of: Set(ranked.prefix(options.drop))))
    var own: [Int]?
    switch options.pool {
    case .all: for set in LayerSets.all(options.drop, of: options.depth..<all.count) { _ = pool.index(of: set) }
    case .found:
      // What the clusters' texts have in common, where the first layers must stay.
      if options.depth > 0 { _ = pool.index(of: try self.search(calibration, monitor)) }
      own = try clusters.centres.indices.map { cluster in
        let members = clusters.assignments.indices.filter { clusters.assignments[$0] == cluster }
        return pool.index(of: try self.search(members.map { calibration[$0] }, monitor))
      }
    }
    return SkipCandidates(
      sets: pool.sets, greedy: greedyIndex, leastDivergence: leastIndex,
      routable: pool.sets.indices.filter { pool.sets[$0].allSatisfy { $0 >= options.depth } }, clusterSets: own, clusters: clusters,
      scale: scale, signals: scaled)
  }

  /// The greedy set of some texts among layers that a router may leave out.
  private func search(_ texts: [[Int32]], _ monitor: @escaping Monitor) throws -> Set<Int> {
    let layers = Array(options.depth..<model.layers.count)
    let search = try RemovalSearch(model, prompts: texts, plan: plan(texts, components: layers.count), monitor: monitor)
    var greedy = GreedySearch(search, candidates: layers.map { .layer($0) })
    return try greedy.cut(options.drop, monitor: monitor).layers
  }

  // MARK: Measuring

  public func measuringFlops(_ candidates: SkipCandidates) -> Double {
    [calibration, heldOut].reduce(0) {
      $0 + SkippedSets.flops(of: model, without: candidates.sets, lengths: $1.map(\.count), from: firstRow)
    }
  }

  /// Every set on every text, and what each router makes of it.
  public func run(_ candidates: SkipCandidates, monitor: @escaping Monitor = { _ in }) throws -> SkipResult {
    func measure(_ texts: [[Int32]]) throws -> (whole: Outcome, cut: [Outcome]) {
      try SkippedSets.outcomes(
        of: model, without: candidates.sets, on: texts, from: firstRow, plan: plan(texts, components: candidates.sets.count),
        monitor: monitor)
    }
    let signals = try PromptSignal.means(
      of: model, heldOut, tokens: options.promptTokens, depth: options.depth, budget: budget, monitor: { _ in try monitor(.nothing) })
    guard signals.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { throw SkipError.notANumber("the signal of a held-out text") }
    let (fitted, held) = (try measure(calibration), try measure(heldOut))
    guard held.whole.crossEntropy.isFinite else { throw SkipError.notANumber("the model's own loss") }
    return SkipResult(
      self, candidates, calibration: fitted.cut, whole: held.whole, heldOut: held.cut, signals: signals.map { candidates.scale($0) })
  }
}

/// What held-out texts can be left without, and what chooses.
public struct SkipCandidates: Sendable {
  /// Distinct sets of layers.
  public let sets: [Set<Int>]
  /// The set of `hoof prune --method greedy` on the calibration texts, and that of `--method ablation`.
  public let greedy: Int, leastDivergence: Int
  /// Sets that a router may choose: those that keep every layer its signal needs.
  public let routable: [Int]
  /// What the search over each cluster's texts found; nil where every set is there anyway.
  public let clusterSets: [Int]?
  let clusters: KMeans
  let scale: StandardScale
  /// Calibration texts' signals, scaled.
  let signals: [[Double]]
}

/// Distinct sets in the order in which they came up.
private struct SetPool {
  private(set) var sets: [Set<Int>] = []

  mutating func index(of set: Set<Int>) -> Int {
    if let known = sets.firstIndex(of: set) { return known }
    sets.append(set)
    return sets.count - 1
  }
}

extension StudyProgress {
  /// Only asks whether to go on.
  fileprivate static let nothing = StudyProgress(flops: 0, activity: "signals")
}
