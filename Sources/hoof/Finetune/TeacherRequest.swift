import Formats
import JSON
import TensorCore
import Terminal
import Training
import Transformer

/// The model that a run learns from, and how much.
struct TeacherRequest {
  let source: ModelSource
  private let loss: DistillationLoss
  private let streamWeight: Double

  private static let flags = ["temperature", "distill-weight", "hidden-weight"]
  /// Some letters, numbers and marks that tokenizers treat differently.
  private static let sample = "Once upon a time, in 1984, there was a café; \"Naïve?\" said the cat.\n\n\tIt's 3.14 — 素敵な 🙂."

  /// nil without --teacher.
  init?(_ arguments: Arguments, for student: ModelSource) throws {
    guard let path = arguments.string("teacher") else { return nil }
    source = try Models.open(path)
    let usual = Distillation.usualLoss
    let weight = arguments.double("distill-weight").map { Float($0) } ?? usual.divergence
    loss = DistillationLoss(
      crossEntropy: arguments.has("distill-weight") ? 1 - weight : usual.crossEntropy, divergence: weight,
      temperature: arguments.double("temperature").map { Float($0) } ?? usual.temperature)
    streamWeight = arguments.double("hidden-weight") ?? 0
    do throws(FormatError) {
      try Teacher.check(source, for: student, sample: TeacherRequest.sample)
      try source.checkFinite()
    } catch {
      throw CommandError(error.description)
    }
  }

  /// Refuses options that mean nothing together.
  static func check(_ arguments: Arguments) throws(UsageError) {
    guard !arguments.has("teacher") else { return }
    for name in flags where arguments.has(name) { throw FinetuneOptions.refuse("--\(name) goes with --teacher MODEL") }
  }

  /// - Parameter model: loaded from `source`.
  func distillation(_ model: Llama, for student: ModelSource) throws(CommandError) -> Distillation {
    let layers = Distillation.layers(of: student.originalLayers, in: source.originalLayers)
    let isComparable = layers != nil && source.config.hiddenSize == student.config.hiddenSize
    if streamWeight > 0, !isComparable {
      throw CommandError(
        "its residual stream cannot be compared with that of \(student.path), which was not cut from it", at: source.path,
        advice: "leave out --hidden-weight")
    }
    return Distillation(Teacher(model), loss: loss, streams: Float(streamWeight), layers: layers ?? [])
  }

  /// What of it determines a run's numbers.
  var identity: JSON.Object {
    [
      "teacher": .string(source.fingerprint()), "temperature": .double(Double(loss.temperature)),
      "distill-weight": .double(Double(loss.divergence)), "hidden-weight": .double(streamWeight),
    ]
  }

  /// "KL weight 1, temperature 1"
  var description: String {
    "KL weight \(loss.divergence), temperature \(loss.temperature)" + (streamWeight > 0 ? ", hidden weight \(Float(streamWeight))" : "")
  }
}
