import Evaluation
import Formats
import JSON
import Surgery
import TensorCore
import Terminal
import Transformer

/// `hoof prune MODEL --plan FILE`: makes the cuts of a plan file again.
struct PruneReplay {
  private let arguments: Arguments
  private let modelPath: String
  private let planPath: String

  init(_ arguments: Arguments) throws(UsageError) {
    self.arguments = arguments
    modelPath = arguments.first("MODEL")!
    planPath = arguments.string("plan")!
    let choosing = [
      "drop", "ratio", "target-params", "target-bytes", "max-kl", "max-ppl-increase", "metric", "exclude", "keep-ends", "seed", "axes",
      "neuron-multiple", "patch",
    ]
    for name in choosing + ["resume"] where arguments.has(name) {
      throw UsageError(command: "prune", "--\(name) goes with --method; a plan says itself what goes")
    }
    if !arguments.has("output"), !arguments.has("dry-run") { throw UsageError(command: "prune", "-o is missing: -o OUT.hoof") }
  }

  func run() throws {
    let output = arguments.has("dry-run") ? nil : arguments.string("output")
    let inputs = [modelPath, planPath, arguments.string("calibration")].compactMap(\.self)
    try checkOutputs([output].compactMap(\.self), inputs: inputs, force: arguments.has("force"))
    let bytes = try Input.file(planPath)
    let json: JSON
    do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw CommandError("\(planPath): \(error)") }
    let source = try Models.open(modelPath)
    let plan: PrunePlan
    do throws(FormatError) { plan = try PrunePlan(json, for: source.config, path: planPath) } catch {
      throw CommandError(error.description)
    }
    try check(plan, source)
    let calibration = try arguments.string("calibration").map { try Models.calibration(at: $0, for: source, arguments) }
    try source.checkFinite()
    if plan.cuts.width != nil { try check(calibration, plan) }
    let model = try Llama(source, on: openBackend(arguments, for: source))
    var finished = try FinishedCut(
      plan, text: String(decoding: bytes, as: UTF8.self), of: source, model,
      matrixType: MatrixType.wanted(arguments) ?? plan.matrixType, prompts: calibration?.prompts)
    finished.planPath = planPath
    if let output {
      try finished.write(to: output, arguments)
      try finished.prove(arguments)
    }
    try finished.print(arguments)
  }

  /// The axes of a narrower stream are those of the texts: with others it would be another cut.
  private func check(_ calibration: Calibration?, _ plan: PrunePlan) throws(CommandError) {
    guard let made = plan.calibration else {
      throw CommandError("\(planPath): calibration: is missing, and the cut of the width is made from texts")
    }
    guard let calibration else {
      throw CommandError("the plan cuts the width by the texts it was made from", at: planPath, advice: "--calibration \(made.path)")
    }
    guard calibration.sha256 == made.sha256 else {
      throw CommandError("the plan cuts the width by other texts", at: calibration.path, advice: "it was made from \(made.path)")
    }
    guard calibration.tokens == made.tokens else {
      throw CommandError(
        "the plan was made from \(made.tokens) tokens of these texts, here they have \(calibration.tokens)", at: planPath,
        advice: "--max-tokens \(made.maxTokens), and --no-bos as then")
    }
  }

  private func check(_ plan: PrunePlan, _ source: ModelSource) throws {
    let subject = PrunePlan.Source(path: modelPath, fingerprint: source.fingerprint(), origin: source.origin)
    guard !plan.source.speaks(of: subject) else { return }
    let reason = "the plan was made for another model, \(plan.source.path), whose weights differ"
    guard arguments.has("force") else { throw CommandError(reason, at: planPath, advice: "--force makes its cuts here all the same") }
    if !arguments.has("quiet") { Output.note("hoof: \(planPath): \(reason); its cuts are made here all the same") }
  }
}
