import TensorCore
import Transformer

/// Some prompts packed into one batch, with the next token of every row.
struct PromptGroup {
  let prompts: Range<Int>
  let layout: PackedLayout
  /// [N, 1] i32
  let ids: Tensor
  /// [N, 1] i32; -1 at the last position of each prompt
  let targets: Tensor

  /// The layout for several changed models side by side.
  let layouts: RepeatedLayouts

  var rows: Int { layout.rows }

  init(prompts: Range<Int>, of all: [[Int32]], on backend: any ComputeBackend) throws(BackendError) {
    let members = all[prompts]
    self.prompts = prompts
    layout = try PackedLayout(lengths: members.map(\.count), on: backend)
    layouts = RepeatedLayouts(of: layout)
    ids = try Tensor(Array(members.joined()), on: backend)
    targets = try Tensor(members.flatMap { $0.dropFirst() + [-1] }, on: backend)
  }
}

/// A layout once, twice and so on; kept, because every layer asks for the same few.
final class RepeatedLayouts {
  private let layout: PackedLayout
  private var known: [Int: PackedLayout] = [:]

  init(of layout: PackedLayout) { self.layout = layout }

  func callAsFunction(_ copies: Int) throws(BackendError) -> PackedLayout {
    if let layout = known[copies] { return layout }
    let repeated = try layout.repeated(copies)
    known[copies] = repeated
    return repeated
  }
}

/// One pass over a group that keeps the residual stream entering each layer: whatever is changed in layer l starts from there, and nothing
/// before l is ever computed again.
struct PrefixPass {
  let group: PromptGroup
  /// Layers that are already out.
  let removed: Set<Int>
  /// residuals[l] enters layer l, [N, C], behind a patch that an earlier cut left there; the last one leaves the stack.
  let residuals: [Tensor]

  init(_ model: Llama, _ group: PromptGroup, without removed: Set<Int> = [], in graph: Eager = Eager()) throws(BackendError) {
    self.group = group
    self.removed = removed
    var residuals: [Tensor] = []
    var x = try model.embed(group.ids, in: graph)
    for layer in model.layers {
      x = try layer.enter(x, in: graph)
      residuals.append(x)
      x = removed.contains(layer.index) ? try layer.bypass(x, in: graph) : try layer(x, group.layout, in: graph)
    }
    self.residuals = residuals + [x]
  }
}

/// What the full model says about a group: the side of the comparison that is computed once.
struct Reference {
  let group: PromptGroup
  private let hidden: Tensor
  private var logits: Tensor?
  /// The full model's arg-max at each row.
  let winners: [Int32]
  /// The full model compared with itself: its loss, no divergence.
  let outcomes: [PromptOutcome]

  init(_ model: Llama, _ pass: PrefixPass, plan: StudyPlan) throws(BackendError) {
    precondition(pass.removed.isEmpty, "reference: the full model has no layer removed")
    let backend = model.backend
    hidden = try model.finish(pass.residuals.last!, in: Eager())
    logits = plan.keepsLogits ? try hidden.linear(model.head) : nil
    group = pass.group
    let rows = try DivergenceRows(rows: hidden.rows, on: backend)
    try backend.linearDivergence(
      of: logits.map { .logits($0) } ?? .hidden(hidden), from: hidden, weight: model.head, targets: group.targets,
      rowsPerChunk: plan.rowsPerChunk, into: rows)
    winners = try rows.winners.ints()
    outcomes = try rows.outcomes(of: group, originals: winners)[0]
  }

  var divergence: DivergenceReference { logits.map { .logits($0) } ?? .hidden(hidden) }

  /// Kept logits go when the plan no longer has memory for them; they are recomputed for every batch then.
  mutating func keep(to plan: StudyPlan) {
    if !plan.keepsLogits { logits = nil }
  }
}

extension DivergenceRows {
  init(rows: Int, on backend: any ComputeBackend) throws(BackendError) {
    self.init(
      divergences: try Tensor(rows, 1, on: backend), losses: try Tensor(rows, 1, on: backend),
      winners: try Tensor(rows, 1, .i32, on: backend))
  }

  /// Splits rows into changed models and prompts: one list of outcomes per model.
  func outcomes(of group: PromptGroup, originals: [Int32]) throws(BackendError) -> [[PromptOutcome]] {
    let divergences = try divergences.floats()
    let losses = try losses.floats()
    let winners = try winners.ints()
    return stride(from: 0, to: divergences.count, by: max(1, group.rows)).map { first in
      var start = 0
      return group.layout.lengths.map { length in
        defer { start += length }
        let span = first + start..<first + start + length
        return PromptOutcome(
          divergences: divergences[span], losses: losses[span], winners: winners[span], originals: originals[start..<start + length])
      }
    }
  }
}
