import TensorCore
import Transformer

/// What a model says without each of several sets of layers, on the positions behind the beginnings of texts.
///
/// All sets go down the layers together and part where one of them leaves a layer out that another one keeps: whatever two of them have in
/// common before that is computed once. The whole model is the empty set and comes first, so that the others can be compared with it; only
/// the scored rows meet the LM head.
final class SkippedSets {
  typealias Monitor = AblationStudy.Monitor

  private let model: Llama
  /// The empty set first.
  private let sets: [Set<Int>]
  private let start: Int
  private let monitor: Monitor
  private var fit: MemoryFit
  private var whole: Whole?
  private var outcomes: [Outcome]

  /// The whole model's side for one group of texts.
  private struct Whole {
    /// Scored rows the LM head reads, [M, C].
    let hidden: Tensor
    /// [M, V]; nil where they are made again for every set.
    var logits: Tensor?
    let winners: [Int32]
  }

  /// Some texts, and which of their rows are scored.
  private struct Group {
    let prompts: PromptGroup
    /// [M, 1] i32
    let rows: Tensor, targets: Tensor
    /// Scored rows of each text.
    let counts: [Int]
    let cost: StudyCost, headCost: Double

    init(_ range: Range<Int>, of texts: [[Int32]], from start: Int, _ model: Llama) throws(BackendError) {
      prompts = try PromptGroup(prompts: range, of: texts, on: model.backend)
      let members = texts[range]
      counts = members.map { $0.count - start }
      var (rows, first): ([Int32], Int) = ([], 0)
      for text in members {
        rows += (start..<text.count).map { Int32(first + $0) }
        first += text.count
      }
      self.rows = try Tensor(rows, on: model.backend)
      targets = try Tensor(members.flatMap { $0.dropFirst(start + 1) + [-1] }, on: model.backend)
      cost = StudyCost(model.config, lengths: members.map(\.count))
      headCost = StudyCost(model.config, lengths: counts).pass(0..<0)
    }

    /// One layer over the group's texts.
    func flops(_ layer: Int) -> Double { cost.pass(layer..<layer + 1) - cost.pass(0..<0) }
  }

  private init(_ model: Llama, _ sets: [Set<Int>], from start: Int, plan: StudyPlan, monitor: @escaping Monitor) {
    self.model = model
    self.sets = [[]] + sets
    self.start = start
    self.monitor = monitor
    fit = MemoryFit(plan: plan)
    outcomes = Array(repeating: Outcome([]), count: sets.count + 1)
  }

  /// - Parameters:
  ///   - sets: distinct, none of them empty.
  ///   - start: the first row of each text that is scored; each has more rows than that. Row i predicts token i + 1.
  ///   - plan: how the texts are cut to the memory there is.
  /// - Returns: the whole model against itself, and the model without each set against it, in the order of `sets`.
  static func outcomes(
    of model: Llama, without sets: [Set<Int>], on texts: [[Int32]], from start: Int, plan: StudyPlan,
    monitor: @escaping Monitor = { _ in }
  ) throws -> (whole: Outcome, cut: [Outcome]) {
    precondition(Set(sets).count == sets.count && !sets.contains([]), "skip: a set is there twice, or is empty")
    precondition(texts.allSatisfy { $0.count > start }, "skip: a text ends before it is scored")
    let walk = SkippedSets(model, sets, from: start, plan: plan, monitor: monitor)
    for range in plan.groups {
      let group = try Group(range, of: texts, from: start, model)
      let x = try walk.fit.whole(group.prompts) { () throws(BackendError) in try model.embed(group.prompts.ids, in: Eager()) }
      try walk.descend(x, group, from: 0, walk.sets.indices.map { $0 })
      walk.whole = nil
    }
    return (walk.outcomes[0], Array(walk.outcomes.dropFirst()))
  }

  /// x [N, C] as it comes to layer `first`, and is no longer needed; `open` are the sets that have agreed so far.
  private func descend(_ x: Tensor, _ group: Group, from first: Int, _ open: [Int]) throws {
    var (x, open) = (x, open)
    for layer in model.layers[first...] {
      let kept = open.filter { !sets[$0].contains(layer.index) }
      let skipped = open.filter { sets[$0].contains(layer.index) }
      let (stream, isShared) = (x, !skipped.isEmpty)
      let entered = try fit.whole(group.prompts) { () throws(BackendError) in try layer.enter(stream, in: Eager()) }
      if !kept.isEmpty {
        let left = try fit.whole(group.prompts) { () throws(BackendError) in
          try layer(entered, group.prompts.layout, in: Eager(ownsStream: !isShared))
        }
        try monitor(StudyProgress(flops: group.flops(layer.index), activity: "layer \(layer.index)"))
        if isShared { try descend(left, group, from: layer.index + 1, kept) } else { x = left }
      }
      if isShared {
        x = try fit.whole(group.prompts) { () throws(BackendError) in try layer.bypass(entered, in: Eager()) }
        open = skipped
      }
    }
    // Distinct sets have parted by now.
    try compare(x, group, open[0])
  }

  private func compare(_ x: Tensor, _ group: Group, _ set: Int) throws {
    func note(_ text: String) throws { try monitor(StudyProgress(flops: 0, activity: "", note: text)) }
    outcomes[set].prompts += try fit.run(group.prompts, note: note) { (plan) throws(BackendError) in
      let hidden = try model.finish(x.gathered(at: group.rows), in: Eager())
      if !plan.keepsLogits { whole?.logits = nil }
      let logits = set == 0 ? (plan.keepsLogits ? try hidden.linear(model.head) : nil) : whole?.logits
      let rows = try DivergenceRows(rows: hidden.rows, on: model.backend)
      try model.backend.linearDivergence(
        of: logits.map { .logits($0) } ?? .hidden(whole?.hidden ?? hidden), from: hidden, weight: model.head, targets: group.targets,
        rowsPerChunk: plan.rowsPerChunk, into: rows)
      if set == 0 { whole = Whole(hidden: hidden, logits: logits, winners: try rows.winners.ints()) }
      return try SkippedSets.outcomes(rows, group, originals: whole!.winners)
    }
    try monitor(StudyProgress(flops: group.headCost, activity: set == 0 ? "full model" : "set \(set) of \(sets.count - 1)"))
  }

  private static func outcomes(_ rows: DivergenceRows, _ group: Group, originals: [Int32]) throws(BackendError) -> [PromptOutcome] {
    let (divergences, losses, winners) = (try rows.divergences.floats(), try rows.losses.floats(), try rows.winners.ints())
    var start = 0
    return group.counts.map { count in
      defer { start += count }
      let span = start..<start + count
      return PromptOutcome(
        divergences: divergences[span], losses: losses[span], winners: winners[span], originals: originals[span])
    }
  }

  /// How often each layer runs over the texts for all sets and the whole model together.
  static func runs(of layers: Int, without sets: [Set<Int>]) -> [Int] {
    (0..<layers).map { layer in Set(([[]] + sets).filter { !$0.contains(layer) }.map { set in set.filter { $0 < layer } }).count }
  }

  /// What `outcomes` reports to its monitor in all.
  static func flops(of model: Llama, without sets: [Set<Int>], lengths: [Int], from start: Int) -> Double {
    let cost = StudyCost(model.config, lengths: lengths)
    let runs = runs(of: model.layers.count, without: sets)
    let layers = runs.indices.reduce(0) { $0 + Double(runs[$1]) * (cost.pass($1..<$1 + 1) - cost.pass(0..<0)) }
    return layers + Double(sets.count + 1) * StudyCost(model.config, lengths: lengths.map { $0 - start }).pass(0..<0)
  }
}
