import Transformer

/// What is to be written: behind which text, how tokens are chosen, and what ends it.
public struct GenerationRequest: Sendable {
  /// With the begin token where the template or the tokenizer puts one.
  public var prompt: [Int32]
  public var sampling: Sampler.Options
  /// Most tokens of the answer; nil for what the context leaves.
  public var limit: Int?
  /// Tokens that end the answer and are no part of it, usually the model's end ids.
  public var stopTokens: Set<Int32>
  /// Texts that end the answer and are no part of it, wherever token borders lie.
  public var stopStrings: [String]
  /// nil for none; k for each token's ln p and, beside it, the k likeliest tokens. The model's own probabilities, before any sampling option.
  public var logprobs: Int?
  /// Number of the request among those with one seed: each draws something else. Several answers to one prompt, or another try at one.
  public var stream: Int
  /// Left out of the text where the answer begins with it: the space that some formats have before an answer, and the model writes.
  public var leading: String

  public init(
    prompt: [Int32], sampling: Sampler.Options = .greedy, limit: Int? = nil, stopTokens: Set<Int32> = [], stopStrings: [String] = [],
    logprobs: Int? = nil, stream: Int = 0, leading: String = ""
  ) {
    self.prompt = prompt
    self.sampling = sampling
    self.limit = limit
    self.stopTokens = stopTokens
    self.stopStrings = stopStrings
    self.logprobs = logprobs
    self.stream = stream
    self.leading = leading
  }

  /// Most of what a request may ask for; whatever comes over a network is held to it too.
  public static let mostLogprobs = 100
  public static let mostStopStrings = 64
  public static let longestStopString = 1024

  /// Why nothing can be written for this request.
  func check(vocabularySize: Int, contextLength: Int) throws(GenerationError) {
    if prompt.isEmpty { throw .invalid("the prompt has no tokens") }
    if let id = prompt.first(where: { $0 < 0 || Int($0) >= vocabularySize }) {
      throw .invalid("token \(id) of the prompt is outside the model's vocabulary of \(vocabularySize)")
    }
    if let problem = sampling.problem { throw .invalid(problem) }
    if let limit, limit < 1 { throw .invalid("an answer of at most \(limit) tokens") }
    if let logprobs, !(0...Self.mostLogprobs).contains(logprobs) {
      throw .invalid("probabilities of \(logprobs) tokens; 0 to \(Self.mostLogprobs) can be had")
    }
    if stream < 0 { throw .invalid("stream \(stream); streams are numbered from 0") }
    if stopStrings.contains(where: \.isEmpty) { throw .invalid("a stop string is empty") }
    if stopStrings.count > Self.mostStopStrings {
      throw .invalid("\(stopStrings.count) stop strings; at most \(Self.mostStopStrings) can be watched for")
    }
    if let long = stopStrings.first(where: { $0.utf8.count > Self.longestStopString }) {
      throw .invalid("a stop string of \(long.utf8.count) bytes; at most \(Self.longestStopString) can be watched for")
    }
    if prompt.count >= contextLength { throw .tooLong(promptTokens: prompt.count, contextLength: contextLength) }
  }
}

/// Why a request is not taken.
public enum GenerationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The context has no room for the prompt and one token more.
  case tooLong(promptTokens: Int, contextLength: Int)
  /// As many requests wait already as may.
  case queueFull(waiting: Int)
  /// What the request itself has wrong.
  case invalid(String)
  /// The engine has been shut down.
  case shutDown

  public var description: String {
    switch self {
    case .tooLong(let tokens, let context):
      "the prompt has \(tokens) tokens, and the context of \(context) tokens must hold it and at least one more"
    case .queueFull(let waiting): "\(waiting) requests are waiting already"
    case .invalid(let reason): reason
    case .shutDown: "the engine has been shut down"
    }
  }
}
