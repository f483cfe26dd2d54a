import TensorCore

/// The means that the loss of a step with a teacher consists of.
public struct StepLosses: Sendable, Equatable {
  /// Over the scored tokens, nats.
  public internal(set) var crossEntropy = 0.0
  /// KL(teacher ‖ student) at the loss' temperature, over the scored tokens, nats.
  public internal(set) var divergence = 0.0
  /// The weighted distance of the residual streams.
  public internal(set) var streams = 0.0

  /// What is minimised.
  func total(_ distillation: Distillation?) -> Double {
    guard let distillation else { return crossEntropy }
    return distillation.loss.total(loss: crossEntropy, divergence: divergence) + streams
  }

  /// - Parameter scored: tokens of the whole step.
  mutating func add(_ pass: PassLosses, scored: Int) throws(BackendError) {
    crossEntropy += try pass.losses.sum() / Double(scored)
    if let divergences = pass.divergences { divergence += try divergences.sum() / Double(scored) }
    if let lesson = pass.lesson { streams += try lesson.distance() }
  }
}

/// What a pass found, still on the device.
struct PassLosses {
  let losses: Tensor
  var divergences: Tensor?
  var lesson: Distillation.Lesson?
}

extension Tensor {
  /// In Double.
  func sum() throws(BackendError) -> Double { try floats().reduce(0) { $0 + Double($1) } }
}
