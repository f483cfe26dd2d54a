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
  /// What ran; parts may be out of it already.
  let model: Llama
  /// residuals[l] enters layer l, [N, C], behind a patch that an earlier cut left there; the last one leaves the stack.
  let residuals: [Tensor]

  init(_ model: Llama, _ group: PromptGroup, in graph: Eager = Eager()) throws(BackendError) {
    let embedded = try model.embed(group.ids, in: graph)
    try self.init(model, group, entering: [], model.layers[0].enter(embedded, in: graph), in: graph)
  }

  /// The pass of a model that differs from `pass`'s in no layer before `layer`: only the rest is computed.
  init(_ model: Llama, from layer: Int, of pass: PrefixPass) throws(BackendError) {
    try self.init(model, pass.group, entering: pass.residuals[..<layer], pass.residuals[layer], in: Eager())
  }

  private init(
    _ model: Llama, _ group: PromptGroup, entering known: ArraySlice<Tensor>, _ x: Tensor, in graph: Eager
  ) throws(BackendError) {
    self.group = group
    self.model = model
    var (residuals, x) = (Array(known), x)
    for layer in model.layers[known.count...] {
      residuals.append(x)
      x = try layer(x, group.layout, in: graph)
      if layer.index + 1 < model.layers.count { x = try model.layers[layer.index + 1].enter(x, in: graph) }
    }
    self.residuals = residuals + [x]
  }
}

/// What the full model says about a group: the side of the comparison that is computed once.
struct Reference {
  let group: PromptGroup
  /// Rows the LM head reads, [N, C].
  private let hidden: Tensor
  private var logits: Tensor?
  /// The full model's arg-max at each row.
  let winners: [Int32]
  /// The full model compared with itself: its loss, no divergence.
  let outcomes: [PromptOutcome]

  init(_ model: Llama, _ pass: PrefixPass, plan: StudyPlan) throws(BackendError) {
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

  /// Lets go of the logits of a group that others come before.
  mutating func rest() { logits = nil }

  /// Makes the logits again that `rest` let go of.
  mutating func wake(_ model: Llama, plan: StudyPlan) throws(BackendError) {
    if logits == nil, plan.keepsLogits { logits = try hidden.linear(model.head) }
  }
}

extension DivergenceRows {
  init(rows: Int, on backend: any ComputeBackend) throws(BackendError) {
    self.init(
      divergences: try Tensor(rows, 1, on: backend), losses: try Tensor(rows, 1, on: backend),
      winners: try Tensor(rows, 1, .i32, on: backend))
  }

  /// Splits rows into changed models and prompts: one list of outcomes per model.
  /// - Parameter jensenShannon: [k·M, 1], where it was measured.
  func outcomes(
    of group: PromptGroup, originals: [Int32], jensenShannon: Tensor? = nil
  ) throws(BackendError) -> [[PromptOutcome]] {
    let shannon = try jensenShannon?.floats()
    let divergences = try divergences.floats()
    let losses = try losses.floats()
    let winners = try winners.ints()
    return stride(from: 0, to: divergences.count, by: max(1, group.rows)).map { first in
      var start = 0
      return group.layout.lengths.map { length in
        defer { start += length }
        let span = first + start..<first + start + length
        return PromptOutcome(
          divergences: divergences[span], losses: losses[span], winners: winners[span], originals: originals[start..<start + length],
          jensenShannon: shannon?[span])
      }
    }
  }
}
