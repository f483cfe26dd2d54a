import Formats
import Glibc
import JSON
import Surgery
import TensorCore
import Terminal
import Transformer

/// A cut that is decided: writing it, proving it, and telling about it.
struct FinishedCut {
  let plan: PrunePlan
  let model: ModelImport
  let cuts: CutPlan
  var planPath: String?
  private(set) var output: String?
  private let base: Llama
  private let prompts: [[Int32]]
  private var proof: CutProof?
  /// Why there is no proof.
  private var unproved: String?

  /// - Parameters:
  ///   - text: of the plan file, whose sum goes into the model's history.
  ///   - base: `source` on a backend.
  ///   - prompts: for a cut of the width, and for the proof.
  init(
    _ plan: PrunePlan, text: String, of source: ModelSource, _ base: Llama, matrixType: DType?, prompts: [[Int32]]?
  ) throws {
    self.plan = plan
    self.base = base
    self.prompts = prompts ?? []
    cuts = plan.cuts.normalized(for: source.config)
    var details: JSON.Object = ["plan": .string(SHA256.hex(of: Array(text.utf8))), "source": .string(plan.source.fingerprint)]
    if let calibration = plan.calibration { details["calibration"] = .string(calibration.sha256) }
    if let measured = plan.measured, measured.divergence.isFinite, measured.perplexity.isFinite {
      details["kl"] = .double(measured.divergence)
      details["perplexity"] = .double(measured.perplexity)
      if let before = plan.json["baseline"]?["perplexity"]?.double { details["perplexity_before"] = .double(before) }
    }
    // Width and patches are told by the history's own entries.
    var parts = cuts
    (parts.width, parts.patches) = (nil, [:])
    if !parts.isEmpty { details["removes"] = .array(parts.labels().map { .string($0) }) }
    do {
      model = try cuts.model(
        of: source, base: base, matrixType: matrixType, method: plan.method, details: details, prompts: prompts
      ) { _, _ in try Interrupt.check(saved: "nothing was written") }
    } catch let error as FormatError {
      throw CommandError(error.description)
    }
  }

  mutating func write(to path: String, _ arguments: Arguments) throws {
    if !arguments.has("quiet") { for note in model.notes { Output.note("hoof: \(note)") } }
    try Creation.write(model, to: path, arguments)
    output = path
  }

  /// Reads the file back and compares what it computes. A file that computes something else is taken away again.
  mutating func prove(_ arguments: Arguments) throws {
    guard let output else { return }
    do {
      let written = try Llama(ModelSource.open(path: output), on: base.backend)
      let proof = try CutProof(written: written, base: base, model, cuts, prompts: prompts)
      guard proof.isGood else {
        unlink(output)
        throw CommandError("the written model was wrong and is gone: \(proof.description)", at: output, advice: "please report this")
      }
      self.proof = proof
    } catch BackendError.outOfMemory {
      unproved = "there is no memory for both models"
    }
  }

  func print(_ arguments: Arguments) throws(CommandError) {
    try arguments.has("json") ? Output.line(json.text(pretty: true)) : Output.write(text)
  }

  /// The plan, and what came of it.
  private var json: JSON {
    var object = plan.json.object ?? [:]
    object["output"] = output.map { .string($0) } ?? JSON.null
    object["plan"] = planPath.map { .string($0) } ?? JSON.null
    let speed = SpeedEstimate(model)
    object["estimated_speed"] = ["decode": .double(speed.decode), "prefill": .double(speed.prefill)]
    if let proof {
      object["verified"] = [
        "against": .string(proof.against.rawValue), "largest_relative_difference": .double(proof.difference), "tokens": .int(proof.tokens),
      ]
    }
    return .object(object)
  }

  private var text: String {
    let (before, after) = (model.before, model.after)
    let kept = model.originalLayers
    let dropped = model.source.originalLayers.indices.filter { !kept.contains(model.source.originalLayers[$0]) }
    var rows = [("method", "\(plan.method)\(plan.json["stop"]?.string.map { ": \($0)" } ?? "")")]
    rows.append(("layers", "\(model.source.config.layers.count) → \(model.config.layers.count)"))
    if !dropped.isEmpty { rows.append(("dropped", "layers \(Inspection.ranges(dropped))")) }
    var rest = cuts
    (rest.layers, rest.patches) = ([], [:])
    if !rest.isEmpty { rows.append(("cut", rest.labels().joined(separator: ", "))) }
    if !cuts.patches.isEmpty { rows.append(("patched", "before layer \(Inspection.ranges(cuts.patches.keys.sorted()))")) }
    rows.append(("parameters", "\(LargeCount(before.parameters)) → \(LargeCount(after.parameters))"))
    rows.append(("weights", "\(ByteCount(before.bytes)) → \(ByteCount(after.bytes))"))
    if let measured = plan.measured {
      let perplexity = plan.json["baseline"]?["perplexity"]?.double
      let rise =
        perplexity.map { before in
          let percent = 100 * (measured.perplexity / before - 1)
          return " (\(before.fixed(3)) before, \(percent < 0 ? "" : "+")\(percent.fixed(2)) %)"
        } ?? ""
      rows.append(("KL", "\(measured.divergence.fixed(5)) nats on the calibration texts"))
      rows.append(("perplexity", "\(measured.perplexity.fixed(3))\(rise)"))
    }
    let speed = SpeedEstimate(model)
    rows.append(
      ("speed", "about \(speed.decode.fixed(2)) × writing, \(speed.prefill.fixed(2)) × reading: estimated from bytes and FLOP per token"))
    if let proof { rows.append(("verified", proof.description)) }
    if let unproved { rows.append(("not verified", unproved)) }
    if let planPath { rows.append(("plan", planPath)) }
    return (output.map { "wrote \($0.onOneLine)" } ?? "would write") + "\n" + HelpText.table(rows.map { ($0.0, $0.1.onOneLine) }) + steps
  }

  /// A row for each cut on the way.
  private var steps: String {
    let entries = plan.json["steps"]?.array ?? []
    guard entries.count > 1 || output == nil, !entries.isEmpty else { return "" }
    let rows = entries.enumerated().map { index, step in
      [
        "\(index + 1)", step["kl"]?.double?.fixed(5) ?? "-", step["perplexity"]?.double?.fixed(3) ?? "-",
        "\(LargeCount(step["parameters"]?.int ?? 0))", "\(ByteCount(step["bytes"]?.int ?? 0))",
        (step["removes"]?.array?.compactMap(\.string) ?? []).joined(separator: ", ").onOneLine,
      ]
    }
    return "\n" + Inspection.aligned([["step", "KL, nats", "perplexity", "parameters", "weights", "removes"]] + rows)
  }
}
