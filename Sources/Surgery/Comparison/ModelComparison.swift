import TensorCore
import Transformer

/// What other models say about the texts that a first one has read: KL(first ‖ other), the other's loss, and how often both would write the
/// same token. The models may differ in everything but the vocabulary and the backend.
public struct ModelComparison {
  public let base: Llama
  public let prompts: [[Int32]]
  /// The first model against itself: its own loss.
  public let baseline: Outcome
  private let plan: StudyPlan
  private let groups: [Side]

  /// The first model's side for one group of prompts.
  private struct Side {
    let group: PromptGroup
    /// Rows the first model's LM head reads, [N, C].
    let hidden: Tensor
    /// [N, V]; nil where they are made again for every comparison.
    let logits: Tensor?
    let winners: [Int32]
  }

  /// Runs the first model once. Keeps its hidden rows for all prompts, and as many groups' logits as the plan allows.
  public init(base: Llama, prompts: [[Int32]], plan: StudyPlan) throws(BackendError) {
    precondition(!prompts.isEmpty && prompts.allSatisfy { !$0.isEmpty }, "comparison: an empty prompt")
    self.base = base
    self.prompts = prompts
    self.plan = plan
    var groups: [Side] = []
    var baseline = Outcome([])
    for range in plan.groups {
      let group = try PromptGroup(prompts: range, of: prompts, on: base.backend)
      let hidden = try base.hidden(group.ids, group.layout, in: Eager(ownsStream: true))
      let logits = plan.keepsLogits && plan.groups.count == 1 ? try hidden.linear(base.head) : nil
      let rows = try ModelComparison.compare(hidden, base.head, logits, with: hidden, base.head, group, plan)
      let winners = try rows.winners.ints()
      baseline.prompts += try rows.outcomes(of: group, originals: winners)[0]
      groups.append(Side(group: group, hidden: hidden, logits: logits, winners: winners))
    }
    self.groups = groups
    self.baseline = baseline
  }

  public func outcome(of model: Llama) throws(BackendError) -> Outcome {
    precondition(model.config.vocabularySize == base.config.vocabularySize, "comparison: models of different vocabularies")
    var outcome = Outcome([])
    for side in groups {
      let hidden = try model.hidden(side.group.ids, side.group.layout, in: Eager(ownsStream: true))
      let rows = try ModelComparison.compare(side.hidden, base.head, side.logits, with: hidden, model.head, side.group, plan)
      outcome.prompts += try rows.outcomes(of: side.group, originals: side.winners)[0]
    }
    return outcome
  }

  /// KL(first ‖ other) of every row of a group.
  private static func compare(
    _ first: Tensor, _ firstHead: Tensor, _ logits: Tensor?, with other: Tensor, _ otherHead: Tensor, _ group: PromptGroup,
    _ plan: StudyPlan
  ) throws(BackendError) -> DivergenceRows {
    let backend = other.backend
    let rows = try DivergenceRows(rows: other.rows, on: backend)
    let sharesHead = firstHead.storage === otherHead.storage && firstHead.byteOffset == otherHead.byteOffset
    if logits != nil || sharesHead {
      try backend.linearDivergence(
        of: logits.map { .logits($0) } ?? .hidden(first), from: other, weight: otherHead, targets: group.targets,
        rowsPerChunk: plan.rowsPerChunk, into: rows)
      return rows
    }
    // The heads differ: the first model's logits are made here, a chunk at a time.
    for start in stride(from: 0, to: other.rows, by: plan.rowsPerChunk) {
      let chunk = start..<min(start + plan.rowsPerChunk, other.rows)
      let part = DivergenceRows(
        divergences: rows.divergences.rows(chunk), losses: rows.losses.rows(chunk), winners: rows.winners.rows(chunk))
      try backend.linearDivergence(
        of: .logits(first.rows(chunk).linear(firstHead)), from: other.rows(chunk), weight: otherHead, targets: group.targets.rows(chunk),
        rowsPerChunk: plan.rowsPerChunk, into: part)
    }
    return rows
  }
}
