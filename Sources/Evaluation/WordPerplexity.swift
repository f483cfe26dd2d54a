import Glibc
import Transformer

/// Perplexity of whole documents per word and per byte, as lm-evaluation-harness 0.4 computes it for tasks such as `wikitext`
/// (`loglikelihood_rolling`): Σ ln p over all documents ÷ Σ words. Numbers of models with different tokenizers can be compared.
public struct WordPerplexity: Sendable, Equatable {
  public struct Document: Sendable, Equatable {
    /// The ids of the text, without BOS.
    public var ids: [Int32]
    /// Of the original text, whatever was detokenised before it became ids.
    public var words: Int
    public var bytes: Int

    public init(ids: [Int32], words: Int, bytes: Int) { (self.ids, self.words, self.bytes) = (ids, words, bytes) }
  }

  public let setting: PerplexitySetting
  public let documents: Int
  public let words: Int
  public let bytes: Int
  public let windows: Int
  public let scoredTokens: Int
  /// Sum of -ln p, nats.
  public let loss: Double
  /// Of loss / words, documents being the clusters of a ratio estimator; nil for a single document. The harness gives none.
  public let standardError: Double?

  public var wordPerplexity: Double { exp(loss / Double(words)) }
  /// Of `wordPerplexity`, to first order.
  public var wordPerplexityError: Double? { standardError.map { $0 * wordPerplexity } }
  public var bytePerplexity: Double { exp(loss / Double(bytes)) }
  public var bitsPerByte: Double { loss / Double(bytes) / log(2) }

  /// - Parameters:
  ///   - window: rows that a window has at most; the harness takes the model's context.
  ///   - bos: stands in front of every document and is scored like its tokens, as with tokenizers that add BOS; nil leaves it out.
  ///   - context: what the first token of a document is predicted from: BOS, or EOS where there is none.
  /// - Throws: `EvaluationError`, `BackendError`, or what the monitor throws.
  public init(
    _ model: Llama, documents: [Document], window: Int, bos: Int32?, context: Int32, rowsPerBatch: Int? = nil,
    monitor: (ScoringProgress) throws -> Void = { _ in }
  ) throws {
    let setting = PerplexitySetting(.word, window: window, bos: bos)
    var stream: [Int32] = []
    var windows: [[TextWindow]] = []
    for document in documents {
      let start = stream.count
      stream += PerplexityProtocol.word.stream(document.ids, bos: bos)
      windows.append(PerplexityProtocol.word.windows(of: start..<stream.count, window: window, lead: context))
    }
    guard !stream.isEmpty else { throw EvaluationError.tooShort(tokens: 0, needed: 1, protocol: .word, window: window) }
    var scorer = WindowScorer(model, rowsPerBatch: rowsPerBatch)
    var losses = try scorer.losses(of: Array(windows.joined()), in: stream, monitor: monitor)[...]

    self.setting = setting
    self.documents = documents.count
    words = documents.reduce(0) { $0 + $1.words }
    bytes = documents.reduce(0) { $0 + $1.bytes }
    self.windows = losses.count
    scoredTokens = losses.reduce(0) { $0 + $1.tokens }
    loss = losses.reduce(0) { $0 + $1.sum }
    let sums = windows.map { windows in
      defer { losses = losses.dropFirst(windows.count) }
      return losses.prefix(windows.count).reduce(0) { $0 + $1.sum }
    }
    standardError = RatioEstimate(sums: sums, counts: documents.map { Double($0.words) }).standardError
  }
}
