import Formats
import Tokenization

/// Tokenised calibration prompts.
public struct Calibration: Sendable {
  public let path: String
  public let sha256: String
  public let prompts: [[Int32]]
  public let maxTokens: Int

  public var tokens: Int { prompts.reduce(0) { $0 + $1.count } }

  /// Each text of the file as ids, cut at `maxTokens`, BOS counted. The tokenizer's own template decides about BOS unless `bos` is false.
  /// `chat` renders a conversation to text that already holds its special tokens.
  public init(
    path: String, tokenizer: Tokenizer, config: LlamaConfig, maxTokens: Int, bos: Bool = true,
    chat: ([ChatTemplate.Message]) throws(FormatError) -> String
  ) throws(FormatError) {
    let corpus = try Corpus(path: path)
    if maxTokens > config.contextLength {
      throw FormatError(
        path, nil, "prompts of \(maxTokens) tokens do not fit the model's context of \(config.contextLength); lower --max-tokens")
    }
    var prompts: [[Int32]] = []
    for (text, place) in zip(corpus.texts, corpus.places) {
      let ids: [Int32]
      switch text {
      case .plain(let text): ids = tokenizer.encode(text, template: bos)
      case .prompted(let text): ids = tokenizer.encode(text.whole, template: bos)
      case .messages(let messages): ids = tokenizer.encode(try chat(messages), template: false)
      }
      guard !ids.isEmpty else { throw FormatError(path, place, "has no tokens") }
      guard let highest = ids.max(), Int(highest) < config.vocabularySize else {
        throw FormatError(path, place, "token \(ids.max()!) is outside the model's vocabulary of \(config.vocabularySize)")
      }
      prompts.append(Array(ids.prefix(maxTokens)))
    }
    if prompts.allSatisfy({ $0.count < 2 }) { throw FormatError(path, nil, "no text has a second token that could be predicted") }
    self.path = path
    sha256 = corpus.sha256
    self.prompts = prompts
    self.maxTokens = maxTokens
  }
}
