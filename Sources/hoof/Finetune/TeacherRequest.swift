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
    let weight = arguments.double("distill-weight") ?? 1
    loss = DistillationLoss(
      crossEntropy: Float(1 - weight), divergence: Float(weight), temperature: Float(arguments.double("temperature") ?? 1))
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

  func lesson(_ model: Llama, for student: ModelSource) throws(CommandError) -> Lesson {
    do throws(FormatError) {
      return try Lesson(model, of: source, for: student, loss: loss, streamWeight: streamWeight)
    } catch {
      throw CommandError(error.description)
    }
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
