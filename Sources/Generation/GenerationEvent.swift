/// A token that was written, or could have been.
public struct GeneratedToken: Sendable, Equatable {
  public let id: Int32
  /// What it adds to the text, which need not be whole characters; a special token's name, which is not part of the text.
  public let bytes: [UInt8]
  /// ln p, where it was asked for.
  public let logprob: Float?
  /// The likeliest tokens in its place, likeliest first.
  public let alternatives: [(id: Int32, bytes: [UInt8], logprob: Float)]

  public init(id: Int32, bytes: [UInt8], logprob: Float? = nil, alternatives: [(id: Int32, bytes: [UInt8], logprob: Float)] = []) {
    self.id = id
    self.bytes = bytes
    self.logprob = logprob
    self.alternatives = alternatives
  }

  public static func == (a: GeneratedToken, b: GeneratedToken) -> Bool {
    a.id == b.id && a.bytes == b.bytes && a.logprob == b.logprob && a.alternatives.elementsEqual(b.alternatives, by: ==)
  }
}

/// What a request hears of its answer.
public enum GenerationEvent: Sendable {
  /// Text that follows what was delivered before: whole characters, and never a part of a stop string. `tokens` are those that it was made of.
  case text(String, tokens: [GeneratedToken])
  /// Once, last.
  case finished(FinishReason, Usage)
}

public enum FinishReason: Sendable, Equatable {
  /// The model ended its answer, or wrote a stop string.
  case stop
  /// The limit or the end of the context was reached.
  case length
  case cancelled
  case failed(String)
}

public struct Usage: Sendable, Equatable {
  public let promptTokens: Int
  /// All that the model wrote, those that ended the answer and were not delivered among them.
  public let answerTokens: Int
  /// Tokens of the prompt that were found in the cache and not read again.
  public let reusedTokens: Int

  public init(promptTokens: Int, answerTokens: Int, reusedTokens: Int) {
    (self.promptTokens, self.answerTokens, self.reusedTokens) = (promptTokens, answerTokens, reusedTokens)
  }
}

/// Stands for a request that was taken.
public struct Ticket: Sendable, Hashable {
  let number: UInt64
}

/// What an engine is doing and has done.
public struct EngineLoad: Sendable, Equatable {
  public var slots = 0
  /// Requests that have a slot.
  public var active = 0
  public var waiting = 0
  /// In all, since the start: requests that were taken, and that ended in whatever way.
  public var requests = 0
  public var finished = 0
  /// Prompt tokens that went through the model, and that did not need to.
  public var tokensRead = 0
  public var tokensReused = 0
  public var tokensWritten = 0
  public var passes = 0
  public var secondsInPasses = 0.0

  public init() {}
}
