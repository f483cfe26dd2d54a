import Evaluation
import Formats
import Generation
import TensorCore
import Tokenization

/// The examples of a file (`Corpus` says which files), rendered, tokenised and cut.
///
/// Scored is what the model has to write: of a conversation the assistant's turns, each to the token that ends it; of a prompt or an instruction
/// the answer and the end token; of a plain text everything. What follows the last scored token is left out, because nothing depends on it.
/// An answer that is too long is cut at the end, and left out if nothing of it remains; a plain text becomes several examples, each with a
/// begin token of its own, so that every token of it is scored once.
public struct TrainingData: Sendable {
  public struct Options: Sendable, Equatable {
    /// What to do with examples of more than `maxTokens`.
    public enum Long: String, Sendable, CaseIterable { case cut, drop }
    public enum Scores: String, Sendable, CaseIterable {
      case answers
      /// Prompts too.
      case all
    }

    /// Most ids of an example, begin and end token counted.
    public var maxTokens: Int
    public var long: Long
    public var scores: Scores
    /// Whether examples get the begin token the tokenizer puts in front; chat templates bring their own.
    public var bos: Bool

    public init(maxTokens: Int, long: Long = .cut, scores: Scores = .answers, bos: Bool = true) {
      (self.maxTokens, self.long, self.scores, self.bos) = (maxTokens, long, scores, bos)
    }
  }

  public let path: String
  /// SHA-256 of the file, hex.
  public let sha256: String
  public let examples: [TrainingExample]
  /// Texts of the file that were shortened, or, plain ones, cut in pieces.
  public let cutCount: Int
  /// Texts of the file that are not among the examples.
  public let droppedCount: Int

  public var tokens: Int { examples.reduce(0) { $0 + $1.ids.count } }
  public var scoredTokens: Int { examples.reduce(0) { $0 + $1.scored } }

  /// - Throws: what is wrong with the file, by line: what is no JSON, unknown roles, empty answers, no answer at all, tokens outside the
  ///   model's vocabulary; and when no example is left.
  public init(
    path: String, tokenizer: Tokenizer, config: LlamaConfig, format: ChatFormat, options: Options
  ) throws(FormatError) {
    try self.init(Corpus(path: path), tokenizer: tokenizer, config: config, format: format, options: options)
  }

  package init(
    _ corpus: Corpus, tokenizer: Tokenizer, config: LlamaConfig, format: ChatFormat, options: Options
  ) throws(FormatError) {
    guard options.maxTokens <= config.contextLength else {
      throw FormatError(
        corpus.path, nil,
        "examples of \(options.maxTokens) tokens do not fit the model's context of \(config.contextLength); lower --max-tokens")
    }
    let least = max(1, options.bos ? tokenizer.bosTokens.count : 0) + 1
    guard options.maxTokens >= least else {
      throw FormatError(corpus.path, nil, "examples of \(options.maxTokens) tokens hold nothing; raise --max-tokens to \(least) or more")
    }
    let maker = ExampleMaker(path: corpus.path, tokenizer: tokenizer, config: config, format: format, options: options)
    var (examples, cut, dropped) = ([TrainingExample](), 0, 0)
    for (text, place) in zip(corpus.texts, corpus.places) {
      let (made, isCut) = try maker.examples(of: text, place)
      if made.isEmpty { dropped += 1 } else if isCut { cut += 1 }
      examples += made
    }
    guard !examples.isEmpty else {
      throw FormatError(
        corpus.path, nil, "no example is left: all \(dropped) are longer than \(options.maxTokens) tokens; raise --max-tokens")
    }
    (path, sha256, self.examples) = (corpus.path, corpus.sha256, examples)
    (cutCount, droppedCount) = (cut, dropped)
  }

  /// What share or how many of the file's texts are held out.
  public enum HeldOut: Sendable, Equatable {
    case share(Double)
    case count(Int)
  }

  /// The examples to train on and those held out, both in file order. Texts are drawn by `seed`; pieces of one text stay together.
  /// - Throws: when either side would be empty.
  public func split(_ heldOut: HeldOut, seed: UInt64) throws(FormatError) -> (training: [TrainingExample], heldOut: [TrainingExample]) {
    try TrainingData.split(examples, of: path, heldOut, seed: seed)
  }

  /// The same for examples of a file that came about in another way.
  public static func split(
    _ examples: [TrainingExample], of path: String, _ heldOut: HeldOut, seed: UInt64
  ) throws(FormatError) -> (training: [TrainingExample], heldOut: [TrainingExample]) {
    var places: [String: Int] = [:]
    for example in examples where places[example.place] == nil { places[example.place] = places.count }
    let count: Int
    switch heldOut {
    case .share(let share): count = Int(exactly: (share * Double(places.count)).rounded()) ?? 0
    case .count(let asked): count = asked
    }
    guard count > 0, count < places.count else {
      throw FormatError(path, nil, "cannot hold out \(count) of \(places.count) texts: both sides need one at least")
    }
    let order = ShuffledOrder(count: places.count, seed: SplitMix64.seed(seed, for: TrainingData.splitUse))
    let held = Set((0..<count).map { order[$0] })
    return (examples.filter { !held.contains(places[$0.place]!) }, examples.filter { held.contains(places[$0.place]!) })
  }

  /// Sets the draw apart from the epochs' permutations, which count from 0.
  private static let splitUse = UInt64.max
}
