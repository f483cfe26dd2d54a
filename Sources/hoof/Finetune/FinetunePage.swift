import Glibc
import JSON
import Surgery
import TensorCore
import Terminal
import Training

/// The page of a run, as far as it came.
struct FinetunePage {
  private let name: String
  private let data: FinetuneData
  private let trainer: Trainer
  private let trained: Int
  private let log: TrainingLog

  /// - Parameters:
  ///   - name: the model's, as the user gave it.
  ///   - trained: parameters.
  init(_ name: String, _ data: FinetuneData, _ trainer: Trainer, trained: Int, _ log: TrainingLog) {
    (self.name, self.data, self.trainer, self.trained, self.log) = (name, data, trainer, trained, log)
  }

  /// Replaces what is there: whether it may was asked before.
  func write(to path: String) throws(CommandError) {
    let (plan, progress) = (trainer.plan, trainer.progress)
    let seconds = log.entries.reduce(0) { $0 + ($1["seconds"]?.double ?? 0) }
    let facts: [(String, String?)] = [
      ("Model", name), ("Data", data.path), ("Examples", "\(data.examples.count)"),
      ("Held out", data.heldOut.isEmpty ? nil : "\(data.heldOut.count) examples"), ("Trained parameters", "\(LargeCount(trained))"),
      ("Steps", progress.step == plan.steps ? "\(plan.steps)" : "\(progress.step) of \(plan.steps)"),
      ("Tokens", "\(LargeCount(progress.tokens)), \(LargeCount(progress.scored)) scored"),
      ("Learning rate", FinetunePreview.describe(plan.schedule)), ("Optimizer", plan.optimizer.kind.rawValue),
      ("Backend", trainer.trainee.backend.name), ("Time", "\(TimeSpan(seconds))"),
      ("Speed", seconds > 0 ? "\(LargeCount(Double(progress.tokens) / seconds)) tokens/s" : nil),
    ]
    let page = TrainingPage(
      title: "Training of \(name.split(separator: "/").last ?? "")", facts: facts, findings: findings, log: log.entries)
    try AtomicFile.write(page.html, to: path, force: true)
  }

  private var findings: [String] {
    let progress = trainer.progress
    var found: [String] = []
    if let first = progress.firstLoss, let last = progress.smoothedLoss {
      found.append("The loss went from \(first.fixed(3)) to \(last.fixed(3)), smoothed.")
    }
    if let first = progress.firstHeldOut, let last = progress.heldOut {
      found.append(
        "On texts that are not trained on it went from \(first.fixed(3)) to \(last.fixed(3)): a perplexity of \(exp(first).fixed(2)) became "
          + "\(exp(last).fixed(2)).")
    }
    if let best = trainer.best { found.append("Least was \(best.heldOut.fixed(3)), behind step \(best.step): that state is what is kept.") }
    return found
  }
}
