/// Tokens of which the last ones are scored: a context and its continuation, or a window of a long text.
public struct ScoringRequest: Sendable, Equatable {
  public var tokens: [Int32]
  /// How many at the end are scored, at least one and fewer than all.
  public var scored: Int

  public init(tokens: [Int32], scored: Int) {
    precondition(scored > 0 && scored < tokens.count, "scoring request: \(scored) of \(tokens.count) tokens")
    (self.tokens, self.scored) = (tokens, scored)
  }

  /// What the model reads: the last token is only predicted.
  var input: ArraySlice<Int32> { tokens.dropLast() }
  /// Rows of `input` that predict a scored token.
  var scoredRows: Range<Int> { tokens.count - 1 - scored..<tokens.count - 1 }
}

/// What a model says about a request.
public struct ContinuationScore: Sendable, Equatable {
  /// Σ ln p of the scored tokens, nats
  public var logLikelihood = 0.0
  /// Every scored token is the likeliest; lowest id on ties.
  public var isGreedy = true
  /// Σ KL(first model ‖ this one) in nats, over the positions that no earlier request of the batch has scored; 0 for the first model.
  public var divergence = 0.0
  /// How many positions those are.
  public var positions = 0

  public init(logLikelihood: Double = 0, isGreedy: Bool = true) { (self.logLikelihood, self.isGreedy) = (logLikelihood, isGreedy) }
}

/// A step of a measurement.
public enum ScoringEvent: Sendable {
  /// So many requests are finished.
  case requests(Int)
  /// Something the user should know; nothing was finished then.
  case note(String)
}
