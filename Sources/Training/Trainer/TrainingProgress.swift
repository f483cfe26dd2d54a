import JSON

/// How far a run has come: whatever it needs to go on beside weights and moments, and whatever it tells about itself at the end.
public struct TrainingProgress: Sendable, Equatable {
  /// Steps that were made.
  public internal(set) var step = 0
  /// Tokens that went through the model, and those that were scored, over all steps.
  public internal(set) var tokens = 0, scored = 0
  /// Mean loss of the first and of the latest step, before each.
  public internal(set) var firstLoss: Double?, loss: Double?
  /// Mean loss on held-out texts before the first step, and the latest.
  public internal(set) var firstHeldOut: Double?, heldOut: Double?
  /// Gradient norms of the first steps, to know what is unusual.
  var norms = Average(), losses = Average()

  public init() {}

  /// The latest steps' losses, those further back counting less.
  public var smoothedLoss: Double? { losses.value }

  /// An exponentially weighted mean that knows how much it has seen (as Adam's first moment, arXiv 1412.6980).
  struct Average: Sendable, Equatable {
    static let memory = 0.95
    var sum = 0.0, weight = 0.0
    var value: Double? { weight > 0 ? sum / weight : nil }
    mutating func add(_ x: Double) {
      sum = Average.memory * sum + (1 - Average.memory) * x
      weight = Average.memory * weight + (1 - Average.memory)
    }
  }

  var json: JSON {
    func optional(_ value: Double?) -> JSON { value.map { .double($0) } ?? nil }
    return [
      "step": .int(step), "tokens": .int(tokens), "scored": .int(scored), "first_loss": optional(firstLoss), "loss": optional(loss),
      "first_held_out": optional(firstHeldOut), "held_out": optional(heldOut), "norms": [.double(norms.sum), .double(norms.weight)],
      "losses": [.double(losses.sum), .double(losses.weight)],
    ]
  }

  /// nil for JSON that `json` did not write.
  init?(_ json: JSON?) {
    func average(_ name: String) -> Average? {
      guard let pair = json?[name]?.array?.compactMap(\.double), pair.count == 2 else { return nil }
      return Average(sum: pair[0], weight: pair[1])
    }
    guard let json, let step = json["step"]?.int, step >= 0, let tokens = json["tokens"]?.int, let scored = json["scored"]?.int,
      let norms = average("norms"), let losses = average("losses")
    else { return nil }
    (self.step, self.tokens, self.scored) = (step, tokens, scored)
    (firstLoss, loss) = (json["first_loss"]?.double, json["loss"]?.double)
    (firstHeldOut, heldOut) = (json["first_held_out"]?.double, json["held_out"]?.double)
    (self.norms, self.losses) = (norms, losses)
  }
}

/// What one step did.
public struct StepReport: Sendable, Equatable {
  /// Counts from 1.
  public let step: Int
  /// Mean over the scored tokens of the step, before its update, nats.
  public let loss: Double
  public let smoothedLoss: Double
  /// L2 norm of the gradient over all trained parameters, before clipping.
  public let gradientNorm: Double
  public let rate: Double
  public let tokens: Int, scored: Int
  /// The usual gradient norm before this step; nil at first.
  public let usualNorm: Double?
  /// What the loss of a run with a teacher consists of.
  public let parts: StepLosses?
}

/// Why a run cannot go on.
public enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The loss or the gradient of this step is not a number; the step was not made.
  case diverged(step: Int, loss: Double, norm: Double)
  case nothingScored(step: Int)

  public var description: String {
    switch self {
    case .diverged(let step, let loss, let norm):
      "training diverged at step \(step): the \(loss.isFinite ? "gradient's norm" : "loss") is "
        + "\((loss.isFinite ? norm : loss).isNaN ? "not a number" : "infinite"); weights are those of step \(step - 1)"
    case .nothingScored(let step): "no token of step \(step) is scored: nothing to learn from"
    }
  }
}
