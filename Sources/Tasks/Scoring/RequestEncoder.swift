import Evaluation
import Tokenization

/// How texts become tokens that are scored: the rules of lm-evaluation-harness 0.4 (`TemplateLM._encode_pair`, `HFLM._loglikelihood_tokens`),
/// without which its numbers cannot be had.
public struct RequestEncoder: Sendable {
  let tokenizer: Tokenizer
  /// Puts the tokenizer's template around texts: the begin token, with models that have one.
  let usesTemplate: Bool
  /// In front of texts whose tokenizer has no begin token, when the user wants it.
  let extraBegin: Int32?
  /// What the first token of a text is predicted from where nothing stands before it: the begin token, else the end token.
  public let prefix: Int32
  /// Tokens that the model reads at most.
  public var maxLength: Int
  /// A text that begins so has its begin token already.
  private let begin: String

  /// - Parameter prefix: the model's begin token, else its end token.
  public init(_ tokenizer: Tokenizer, usesTemplate: Bool = true, extraBegin: Int32? = nil, prefix: Int32, maxLength: Int) {
    (self.tokenizer, self.usesTemplate, self.extraBegin) = (tokenizer, usesTemplate, extraBegin)
    (self.prefix, self.maxLength) = (prefix, maxLength)
    begin = tokenizer.piece(prefix) ?? ""
  }

  /// Why a question cannot be scored.
  public enum Refusal: Error, Sendable, Equatable, CustomStringConvertible {
    case empty
    case tooLong(tokens: Int, maxLength: Int)

    public var description: String {
      switch self {
      case .empty: "an answer has no tokens of its own behind its context"
      case .tooLong(let tokens, let length): "an answer of \(tokens) tokens, and the model reads at most \(length)"
      }
    }
  }

  func ids(_ text: String) -> [Int32] {
    let hasBegin = !begin.isEmpty && text.utf8.starts(with: begin.utf8)
    let ids = tokenizer.encode(text, template: usesTemplate && !hasBegin)
    return (hasBegin ? [] : extraBegin.map { [$0] } ?? []) + ids
  }

  /// A continuation behind its context. White space at the context's end goes over to the continuation, both are encoded together, and what
  /// lies behind as many tokens as the context alone has is scored. Contexts too long for the model lose their beginning.
  public func request(context: String, continuation: String) throws(Refusal) -> ScoringRequest {
    if context.isEmpty {
      let ids = tokenizer.encode(continuation, template: false)
      // A continuation that begins with that token has it for its context.
      return try request(ids.first == prefix ? ids : [prefix] + ids, scored: ids.first == prefix ? ids.count - 1 : ids.count)
    }
    let end = context.unicodeScalars.lastIndex { !$0.isPythonSpace }.map { context.unicodeScalars.index(after: $0) } ?? context.startIndex
    let whole = ids(context + continuation)
    let head = ids(String(context.unicodeScalars[..<end]))
    let tail = whole.dropFirst(head.count)
    if head.isEmpty { return try request([prefix] + tail, scored: tail.count) }
    return try request(head + tail, scored: tail.count)
  }

  /// The windows of a text that is scored from its first token on.
  public func windows(of text: String) throws(Refusal) -> [ScoringRequest] {
    let ids = ids(text)
    guard !text.isEmpty, !ids.isEmpty else { throw .empty }
    return PerplexityProtocol.rollingWindows(of: ids, window: maxLength, context: prefix)
      .map { ScoringRequest(tokens: $0.tokens, scored: $0.scored) }
  }

  /// A prompt to write behind; a long one loses its beginning, so that `room` tokens can be written.
  public func prompt(_ text: String, room: Int) -> [Int32] { Array(ids(text).suffix(max(1, maxLength - room))) }

  private func request(_ tokens: [Int32], scored: Int) throws(Refusal) -> ScoringRequest {
    guard scored > 0 else { throw .empty }
    guard scored <= maxLength else { throw .tooLong(tokens: scored, maxLength: maxLength) }
    return ScoringRequest(tokens: Array(tokens.suffix(maxLength + 1)), scored: scored)
  }
}
