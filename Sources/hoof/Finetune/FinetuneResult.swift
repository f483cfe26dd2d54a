import Formats
import JSON
import Surgery
import TensorCore
import Terminal
import Training

/// A finished run: the model it makes, and what is told about it.
struct FinetuneResult {
  private let subject: FinetuneSubject
  private let data: FinetuneData
  private let trainer: Trainer
  private let speed: (tokens: Int, seconds: Double)
  private let output: FinetuneOutput
  private let target: FinetuneTarget
  private let teacher: TeacherRequest?
  private let log: TrainingLog

  init(
    _ subject: FinetuneSubject, _ data: FinetuneData, _ trainer: Trainer, _ target: FinetuneTarget, _ teacher: TeacherRequest?,
    _ speed: (tokens: Int, seconds: Double),
    output: FinetuneOutput,
    log: TrainingLog
  ) {
    (self.subject, self.data, self.trainer, self.speed, self.output, self.log) = (subject, data, trainer, speed, output, log)
    (self.target, self.teacher) = (target, teacher)
  }

  func write(_ arguments: Arguments) throws {
    try output.write(trainer.trainee, of: subject.source, history: history, arguments)
  }

  /// The file's own account: nothing in it depends on when or how often the run was interrupted.
  private var history: JSON {
    let (plan, progress) = (trainer.plan, trainer.progress)
    var entry: JSON.Object = [
      "method": subject.isNew ? "train" : "finetune", "data": .string(data.sha256), "steps": .int(progress.step),
      "tokens": .int(progress.tokens),
      "learning_rate": .double(plan.schedule.peak), "schedule": .string(plan.schedule.kind.rawValue),
      "optimizer": .string(plan.optimizer.kind.rawValue),
    ]
    if let part = target.description { entry["trained"] = .string(part) }
    if let teacher {
      entry["teacher"] = .string(teacher.source.fingerprint())
      entry["distillation"] = .string(teacher.description)
    }
    if !subject.isNew { entry["source"] = .string(subject.identity) }
    if let first = progress.firstLoss { entry["loss_before"] = .double(first) }
    if let loss = progress.smoothedLoss { entry["loss"] = .double(loss) }
    if let first = progress.firstHeldOut { entry["held_out_loss_before"] = .double(first) }
    if let loss = trainer.best?.heldOut ?? progress.heldOut { entry["held_out_loss"] = .double(loss) }
    if let best = trainer.best { entry["best_step"] = .int(best.step) }
    return .object(entry)
  }

  func print(_ arguments: Arguments) throws(CommandError) {
    try arguments.has("json") ? Output.line(json.text(pretty: true)) : Output.write(text)
  }

  private var json: JSON {
    var object = history.object ?? [:]
    object["output"] = .string(output.path)
    object["log"] = .string(log.path)
    object["seconds"] = .double(speed.seconds)
    object["tokens_per_second"] = .double(Double(speed.tokens) / max(speed.seconds, 1e-9))
    object["memory"] = .int(MemoryUse(on: trainer.trainee.backend).bytes)
    object["backend"] = .string(trainer.trainee.backend.name)
    return .object(object)
  }

  private var text: String {
    let progress = trainer.progress
    func change(_ before: Double?, _ after: Double?) -> String? {
      guard let before, let after else { return nil }
      return "\(before.fixed(4)) → \(after.fixed(4))"
    }
    var rows = [("steps", "\(progress.step), \(LargeCount(progress.tokens)) tokens, \(LargeCount(progress.scored)) of them scored")]
    if let losses = change(progress.firstLoss, progress.smoothedLoss) { rows.append(("loss", "\(losses), smoothed")) }
    if let losses = change(progress.firstHeldOut, trainer.best?.heldOut ?? progress.heldOut) {
      rows.append(("held-out loss", losses + (trainer.best.map { ", best at step \($0.step)" } ?? "")))
    }
    if speed.seconds > 0 {
      rows.append(("speed", "\(LargeCount(Double(speed.tokens) / speed.seconds)) tokens/s, \(TimeSpan(speed.seconds))"))
    }
    rows.append(("memory", "\(ByteCount(MemoryUse(on: trainer.trainee.backend).bytes))"))
    rows.append(("log", log.path))
    return "wrote \(output.path.onOneLine)\n" + HelpText.table(rows.map { ($0.0, $0.1.onOneLine) })
  }
}
