import Formats
import Glibc
import JSON
import TensorCore
import Terminal
import Training

/// The steps of a run, and what is measured, saved and said between them.
final class FinetuneLoop {
  private let trainer: Trainer
  private let kind: TrainingKind
  private let heldOut: HeldOut?
  private let evaluationInterval: Int
  private let keepsBest: Bool
  private let saving: FinetuneOptions.Saving
  /// nil where nothing is to be saved.
  private let place: CheckpointPlace?
  private let log: TrainingLog
  private let isQuiet: Bool
  private let progress: Progress
  private let tokensPerStep: Double
  private let clock = ContinuousClock()
  private var lastSave: ContinuousClock.Instant
  private var warnings = Warnings()
  /// Tokens and seconds of this process' steps.
  private(set) var speed = (tokens: 0, seconds: 0.0)

  /// - Parameter tokensPerStep: about; what the time left is told by.
  init(
    _ trainer: Trainer, _ kind: TrainingKind, heldOut: HeldOut?, place: CheckpointPlace?, log: TrainingLog, tokensPerStep: Double,
    _ options: FinetuneOptions, _ arguments: Arguments
  ) {
    self.trainer = trainer
    self.kind = kind
    self.heldOut = heldOut
    self.place = place
    self.log = log
    self.tokensPerStep = tokensPerStep
    saving = options.saving
    evaluationInterval = arguments.int("eval-every") ?? max(1, trainer.plan.steps / 10)
    keepsBest = arguments.has("keep-best")
    isQuiet = arguments.has("quiet")
    lastSave = clock.now
    progress = Progress(
      "training", total: tokensPerStep * Double(trainer.plan.steps), unit: .items("tokens"), quiet: arguments.has("quiet"))
  }

  /// Makes the steps that are left.
  func run() throws {
    defer { progress.finish() }
    progress.skip(tokensPerStep * Double(trainer.progress.step))
    if trainer.progress.step == 0 {
      if let first = try measure() { say("held-out loss before training: \(first.fixed(4))") }
    }
    while !trainer.isDone {
      let start = clock.now
      let report: StepReport
      do { report = try trainer.step() } catch let error as TrainingError {
        throw try stopped(error)
      } catch let error as BackendError {
        throw CommandError("\(error)", advice: place.flatMap { access($0.path, F_OK) == 0 ? "--resume goes on from \($0.path)" : nil })
      }
      tell(report, seconds: (clock.now - start) / .seconds(1))
      if report.step % evaluationInterval == 0 || trainer.isDone { _ = try measure() }
      if isDue, !trainer.isDone { try save(mayFail: true) }
      if Interrupt.isRequested, !trainer.isDone {
        try save(mayFail: false)
        throw Interrupted(saved: place?.saved(report.step) ?? "nothing was written")
      }
    }
  }

  private func tell(_ report: StepReport, seconds: Double) {
    speed.tokens += report.tokens
    speed.seconds += seconds
    for warning in warnings.about(report, kind, vocabulary: trainer.trainee.model.config.vocabularySize) { say(warning) }
    let memory = MemoryUse(on: trainer.trainee.backend).bytes
    var entry: JSON.Object = [
      "step": .int(report.step), "loss": .double(report.loss), "smoothed_loss": .double(report.smoothedLoss),
      "grad_norm": .double(report.gradientNorm), "lr": .double(report.rate), "tokens": .int(report.tokens), "scored": .int(report.scored),
      "seconds": .double(seconds), "memory": .int(memory),
    ]
    if let parts = report.parts {
      (entry["cross_entropy"], entry["kl"]) = (.double(parts.crossEntropy), .double(parts.divergence))
      if parts.streams > 0 { entry["streams"] = .double(parts.streams) }
    }
    log.append(entry)
    progress.advance(
      by: tokensPerStep,
      label: "step \(report.step)/\(trainer.plan.steps), loss \(report.smoothedLoss.fixed(4)), gradient \(report.gradientNorm.fixed(2)), "
        + "rate \(Float(report.rate)), \(ByteCount(memory))")
  }

  private func measure() throws -> Double? {
    guard let heldOut else { return nil }
    let loss = try trainer.measure(heldOut, keepsBest: keepsBest)
    log.append(["step": .int(trainer.progress.step), "held_out_loss": .double(loss)])
    guard loss.isFinite else {
      throw CommandError("the held-out loss is \(loss) at step \(trainer.progress.step)", advice: "lower --lr, or check the held-out data")
    }
    return loss
  }

  private var isDue: Bool {
    switch saving {
    case .never: false
    case .steps(let count): trainer.progress.step % count == 0
    case .seconds(let seconds): (clock.now - lastSave) / .seconds(1) >= seconds
    }
  }

  /// - Parameter mayFail: a run goes on when a checkpoint on the way cannot be saved; the one before stays.
  func save(mayFail: Bool) throws {
    guard let place else { return }
    do { try trainer.save(to: place.path, run: place.run) } catch let error as FormatError {
      let kept = access(place.path, F_OK) == 0 ? "; the one before stays" : ""
      guard mayFail else { throw CommandError("step \(trainer.progress.step) was not saved: \(error)\(kept)") }
      say("the checkpoint of step \(trainer.progress.step) was not saved: \(error)\(kept)")
    }
    lastSave = clock.now
  }

  /// Keeps the last good state, and says where.
  private func stopped(_ error: TrainingError) throws -> CommandError {
    guard case .diverged = error, trainer.progress.step > 0, let place else { return CommandError("\(error)") }
    try save(mayFail: true)
    return CommandError(
      "\(error)", at: place.path, advice: "--resume --finish writes them as a model; a lower --lr or --clip may get further")
  }

  private func say(_ text: String) {
    if !isQuiet { progress.note("hoof: \(text)") }
  }
}

/// What the numbers of a step give reason to warn about.
private struct Warnings {
  private var spikes = 0

  /// A norm this many times the usual one is an explosion; below, it is an odd batch.
  private static let spike = 10.0
  private static let mostSpikes = 3

  mutating func about(_ report: StepReport, _ kind: TrainingKind, vocabulary: Int) -> [String] {
    var found: [String] = []
    let guessing = log(Double(vocabulary))
    let first = report.parts?.crossEntropy ?? report.loss
    if report.step == 1, kind != .scratch, first > 0.9 * guessing {
      found.append(
        "the first loss is \(first.fixed(2)), and guessing among \(vocabulary) tokens is \(guessing.fixed(2)): the model knows nothing "
          + "about these texts; a cut went too far, or the tokenizer is another model's")
    }
    if let usual = report.usualNorm, report.step > 5, report.gradientNorm > Warnings.spike * usual, spikes < Warnings.mostSpikes {
      spikes += 1
      found.append(
        "step \(report.step): the gradient's norm is \(report.gradientNorm.fixed(1)), \((report.gradientNorm / usual).fixed(0)) times the usual: "
          + "the cut may have gone too far, or --lr is too high")
    }
    return found
  }
}

/// Memory that a run takes: of the device, or of this process where the device is the CPU.
struct MemoryUse {
  let bytes: Int

  init(on backend: any ComputeBackend) {
    if backend.usefulRows == nil {
      var usage = rusage()
      // Swift imports RUSAGE_SELF as another type than the function takes.
      getrusage(0, &usage)
      bytes = usage.ru_maxrss * 1024
    } else {
      let memory = backend.memory()
      bytes = memory.total - memory.free
    }
  }
}
