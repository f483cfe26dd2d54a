import Formats
import JSON
import TensorCore
import Terminal
import Tokenization
import Training

/// `hoof finetune --dry-run`: what would be trained, and what it takes.
struct FinetunePreview {
  private let source: ModelSource
  private let data: FinetuneData
  private let plan: TrainingPlan
  private let memory: StepMemory
  private var cost: TrainingCost
  private let backend: any ComputeBackend

  init(
    _ source: ModelSource, _ data: FinetuneData, _ plan: TrainingPlan, _ memory: StepMemory, _ cost: TrainingCost, rows: Int,
    backend: any ComputeBackend
  ) {
    (self.source, self.data, self.plan, self.memory, self.backend) = (source, data, plan, memory, backend)
    self.cost = cost
    self.cost.activations = memory.bytes(source.config, rows: rows, on: backend)
  }

  func print(_ arguments: Arguments) throws(CommandError) {
    try arguments.has("json") ? Output.line(json.text(pretty: true)) : Output.write(text)
  }

  private var tokens: Double { data.tokensPerStep(plan) * Double(plan.steps) }
  private var epochs: Double { tokens / Double(max(1, data.rows)) }

  private var text: String {
    let all = source.config.parameterCount
    let share = 100 * Double(cost.parameters) / Double(all)
    var rows = [
      ("trained", "\(LargeCount(cost.parameters)) of \(LargeCount(all)) parameters, \(share.fixed(share < 10 ? 2 : 0)) %"),
      ("examples", "\(data.examples.count)" + (data.heldOut.isEmpty ? "" : ", \(data.heldOut.count) more held out")),
      ("tokens", "\(LargeCount(data.rows)), \(LargeCount(data.scored)) of them scored"),
      ("steps", "\(plan.steps), about \(LargeCount(data.tokensPerStep(plan))) tokens each: \(epochs.fixed(2)) epochs"),
      ("learning rate", FinetunePreview.describe(plan.schedule)),
      (
        "optimizer",
        "\(plan.optimizer.kind.rawValue), \(plan.clip > 0 ? "gradient norms up to \(Float(plan.clip))" : "gradients not clipped")"
      ),
    ]
    rows.append(("weights", "\(ByteCount(cost.trained)) trained" + (cost.frozen > 0 ? ", \(ByteCount(cost.frozen)) frozen" : "")))
    if cost.masters > 0 { rows.append(("masters", "\(ByteCount(cost.masters))")) }
    rows += [
      ("gradients", "\(ByteCount(cost.gradients))"), ("moments", "\(ByteCount(cost.moments))"),
      ("activations", "at most about \(ByteCount(cost.activations)): \(memory.description)"),
      ("in all", "\(ByteCount(cost.total)), \(ByteCount(backend.memory().free)) are free on \(backend.name)"),
    ]
    return "would train\n" + HelpText.table(rows.map { ($0.0, $0.1.onOneLine) }) + example
  }

  static func describe(_ schedule: Schedule) -> String {
    let end =
      schedule.kind == .constant
      ? "constant" : "to \(Float(schedule.floor * schedule.peak)) along \(schedule.kind == .linear ? "a line" : "a cosine")"
    return "\(Float(schedule.peak)), \(end)" + (schedule.warmUp > 0 ? ", after \(schedule.warmUp) steps of warm-up" : "")
  }

  /// The first example as the model reads it.
  private var example: String { data.examples.first.map { "\n" + $0.listing(data.tokenizer) } ?? "" }

  private var json: JSON {
    [
      "parameters": .int(source.config.parameterCount), "trained_parameters": .int(cost.parameters), "steps": .int(plan.steps),
      "epochs": .double(epochs), "examples": .int(data.examples.count), "held_out_examples": .int(data.heldOut.count),
      "tokens": .int(data.rows), "scored_tokens": .int(data.scored), "tokens_per_step": .double(data.tokensPerStep(plan)),
      "bytes": [
        "trained": .int(cost.trained), "frozen": .int(cost.frozen), "masters": .int(cost.masters), "gradients": .int(cost.gradients),
        "moments": .int(cost.moments), "activations": .int(cost.activations), "total": .int(cost.total),
      ], "plan": .object(plan.json), "backend": .string(backend.name),
    ]
  }
}
