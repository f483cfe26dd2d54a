import JSON

/// What a model says to one question: all that had to be computed, and nothing that follows from it.
public struct ModelAnswer: Sendable, Equatable {
  /// ln p of every continuation, nats; of the whole text where it is scored from its first token on.
  public var logLikelihoods: [Double] = []
  /// Whether every token of the continuation is the model's likeliest.
  public var greedy: [Bool] = []
  /// What the model wrote, up to its first stop string.
  public var text: String?
  /// Σ KL(base ‖ model), nats, over positions that no earlier question has scored; 0 where there is no base.
  public var divergence = 0.0
  public var positions = 0

  public init(
    logLikelihoods: [Double] = [], greedy: [Bool] = [], text: String? = nil, divergence: Double = 0, positions: Int = 0
  ) {
    (self.logLikelihoods, self.greedy, self.text) = (logLikelihoods, greedy, text)
    (self.divergence, self.positions) = (divergence, positions)
  }

  /// Whether it can be the answer to a question.
  func fits(_ question: Question, _ output: TaskDefinition.Output) -> Bool {
    switch output {
    case .generate: text != nil
    case .rolling: text == nil && logLikelihoods.count == 1
    default: text == nil && logLikelihoods.count == question.requestCount
    }
  }

  /// One line of an answer cache; numbers come back to the last bit.
  var json: JSON {
    if let text { return ["text": .string(text)] }
    var object: JSON.Object = [
      "ll": .array(logLikelihoods.map { .double($0) }), "greedy": .array(greedy.map { .bool($0) }),
    ]
    if positions > 0 {
      object["kl"] = .double(divergence)
      object["positions"] = .int(positions)
    }
    return .object(object)
  }

  /// nil for anything that `json` would not have written.
  init?(_ json: JSON) {
    if let text = json["text"] {
      guard let text = text.string else { return nil }
      self.init(text: text)
      return
    }
    guard let values = json["ll"]?.array, let flags = json["greedy"]?.array else { return nil }
    let (likelihoods, greedy) = (values.compactMap(\.double), flags.compactMap(\.bool))
    let positions = json["positions"]?.int ?? 0
    guard likelihoods.count == values.count, greedy.count == values.count, greedy.count == flags.count, !values.isEmpty, positions >= 0,
      likelihoods.allSatisfy(\.isFinite), (json["kl"]?.double ?? 0).isFinite
    else { return nil }
    self.init(logLikelihoods: likelihoods, greedy: greedy, divergence: json["kl"]?.double ?? 0, positions: positions)
  }
}
