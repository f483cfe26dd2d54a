import TensorCore
import Transformer

/// Makes the steps of a run. A step is a function of weights, moments, plan and step number alone, so a run that goes on from a checkpoint
/// ends with the very bits of one that was never interrupted.
public final class Trainer {
  public let trainee: Trainee
  public let plan: TrainingPlan
  /// nil for learning from the texts alone.
  public let distillation: Distillation?
  public internal(set) var memory: StepMemory
  public internal(set) var progress = TrainingProgress()
  /// The state of least held-out loss, when one is kept.
  public internal(set) var best: KeptState?
  let optimizer: Optimizer
  private let gradients: Gradients
  private let order: BatchOrder
  /// Hears of what the user should know and no number shows.
  private let note: (String) -> Void

  /// - Parameters:
  ///   - examples: the data; what order they come in says `plan`.
  ///   - distillation: what is learned beside the next token, or instead of it.
  public init(
    _ trainee: Trainee, on examples: [TrainingExample], _ plan: TrainingPlan, distillation: Distillation? = nil, memory: StepMemory,
    note: @escaping (String) -> Void = { _ in }
  ) throws(BackendError) {
    self.trainee = trainee
    self.plan = plan
    self.distillation = distillation
    self.memory = memory
    self.note = note
    optimizer = try Optimizer(trainee.trained, options: plan.optimizer)
    gradients = Gradients(of: trainee.trained.map(\.tensor))
    order = BatchOrder(examples, size: plan.batch, accumulation: plan.accumulation, seed: plan.seed)
  }

  public var isDone: Bool { progress.step >= plan.steps }

  /// Makes the next step. Batches of one step act as one large batch: each scored token counts the same.
  /// - Throws: `TrainingError`, before anything was changed; `BackendError`.
  public func step() throws -> StepReport {
    let step = progress.step + 1
    let batches = order.batches(step: step)
    let (tokens, scored) = batches.reduce((0, 0)) { ($0.0 + $1.tokens, $0.1 + $1.scored) }
    guard scored > 0 else { throw TrainingError.nothingScored(step: step) }
    let losses = try differentiate(batches, tokens: tokens, scored: scored)
    let loss = losses.total(distillation)
    let norm = try gradients.norm()
    guard loss.isFinite, norm.isFinite else { throw TrainingError.diverged(step: step, loss: loss, norm: norm) }
    let rate = plan.schedule.rate(step: step)
    // The small number is torch.nn.utils.clip_grad_norm_'s.
    let scale = plan.clip > 0 ? min(1, plan.clip / (norm + 1e-6)) : 1
    optimizer.step(gradients, rate: rate, scale: scale, step: step, seed: plan.seed &+ UInt64(step))

    let usual = progress.norms.value
    progress.step = step
    progress.tokens += tokens
    progress.scored += scored
    progress.firstLoss = progress.firstLoss ?? loss
    progress.loss = loss
    progress.losses.add(loss)
    progress.norms.add(norm)
    return StepReport(
      step: step, loss: loss, smoothedLoss: progress.smoothedLoss!, gradientNorm: norm, rate: rate, tokens: tokens, scored: scored,
      usualNorm: usual, parts: distillation == nil ? nil : losses)
  }

  /// Leaves the gradient of the step's mean loss, and returns that. When memory runs out the whole step is done again in smaller pieces.
  private func differentiate(_ batches: [TrainingBatch], tokens: Int, scored: Int) throws -> StepLosses {
    while true {
      let passes = batches.flatMap { $0.passes(of: memory.rowsPerPass) }
      gradients.clear()
      do throws(BackendError) {
        var losses: [PassLosses] = []
        for (index, pass) in passes.enumerated() {
          let dropout = DropoutStream(seed: plan.seed, step: progress.step + 1, batch: index)
          losses.append(try differentiate(pass, tokens: tokens, scored: scored, dropout))
        }
        // Read when everything is on its way, so that a device does not wait between passes.
        var sum = StepLosses()
        for pass in losses { try sum.add(pass, scored: scored) }
        return sum
      } catch {
        guard case .outOfMemory = error,
          let smaller = memory.smaller(rows: passes.map(\.tokens).max() ?? 0, splits: passes.contains { $0.sequences.count > 1 })
        else { throw error }
        memory = smaller
        note("out of memory: going on with less at a time: \(memory.description)")
      }
    }
  }

  /// - Parameters:
  ///   - tokens: of the whole step, as `scored`: what its means divide by.
  private func differentiate(
    _ pass: TrainingBatch, tokens: Int, scored: Int, _ dropout: DropoutStream
  ) throws(BackendError) -> PassLosses {
    let model = trainee.model
    let batch = try PackedBatch(pass, on: model.backend)
    let scale = 1 / Float(scored)
    guard let distillation else {
      let tape = Tape(into: gradients, adapter: trainee.adapter, dropout: dropout)
      let hidden = try model.hidden(batch, checkpointed: memory.checkpointsActivations, in: tape)
      let losses = try tape.crossEntropy(
        of: hidden, head: tape.parameter(model.head), targets: batch.targets, scale: scale, rowsPerChunk: memory.rowsPerChunk)
      try tape.backward()
      return PassLosses(losses: losses)
    }
    let lesson = try distillation.lesson(batch.ids, batch.layout, scored: batch.scored, tokens: tokens)
    let tape = lesson.tape(into: gradients, adapter: trainee.adapter, dropout: dropout)
    let hidden = try model.hidden(batch, checkpointed: memory.checkpointsActivations, in: tape)
    let rows = try lesson.seed(
      tape, hidden, head: tape.parameter(model.head), targets: batch.targetIDs, scale: scale, rowsPerChunk: memory.rowsPerChunk)
    try tape.backward()
    return PassLosses(losses: rows.losses, divergences: rows.divergences, lesson: lesson)
  }
}
