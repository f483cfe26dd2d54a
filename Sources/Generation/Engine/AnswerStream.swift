import Tokenization
import Transformer

/// A request whose answer is being written. Touched by the engine's thread alone once it has left the queue.
final class AnswerStream {
  let ticket: Ticket
  let request: GenerationRequest
  let sampler: Sampler
  private let deliver: @Sendable (GenerationEvent) -> Void
  private let tokenizer: Tokenizer?
  private var text: AnswerText

  /// Prompt and what has been written.
  private(set) var tokens: [Int32]
  /// Most that `tokens` may grow to.
  private let mostTokens: Int
  /// Ids that the repetition penalty meets; empty without one.
  private(set) var seen: Set<Int32> = []
  var reusedTokens = 0
  private(set) var isFinished = false

  init(
    _ ticket: Ticket, _ request: GenerationRequest, _ tokenizer: Tokenizer?, contextLength: Int,
    deliver: @escaping @Sendable (GenerationEvent) -> Void
  ) {
    self.ticket = ticket
    self.request = request
    self.deliver = deliver
    self.tokenizer = tokenizer
    sampler = Sampler(request.sampling)
    tokens = request.prompt
    mostTokens = min(contextLength, request.prompt.count + min(request.limit ?? contextLength, contextLength))
    if request.sampling.repetitionPenalty != 1 { seen = Set(request.prompt) }
    text = AnswerText(stops: request.stopStrings, leading: request.leading.isEmpty ? Self.leading(request, tokenizer) : request.leading)
  }

  var written: Int { tokens.count - request.prompt.count }
  var place: Sampler.Place { .init(stream: request.stream, index: written) }

  /// A text's first space is no part of it where the tokenizer puts one before every text, as SentencePiece does.
  private static func leading(_ request: GenerationRequest, _ tokenizer: Tokenizer?) -> String {
    guard let tokenizer, tokenizer.dropsFirstSpace else { return "" }
    return request.prompt.allSatisfy(tokenizer.isSpecial) ? " " : ""
  }

  /// Takes the next token of the answer, and delivers what it completes.
  func append(_ choice: TokenChoice) {
    tokens.append(choice.id)
    if request.stopTokens.contains(choice.id) { return finish(.stop) }
    if request.sampling.repetitionPenalty != 1 { seen.insert(choice.id) }
    let bytes = self.bytes(choice.id)
    let token = GeneratedToken(
      id: choice.id, bytes: bytes, logprob: choice.logprob,
      alternatives: choice.alternatives.map { ($0.id, self.bytes($0.id), $0.logprob) })
    send(text.append(token, text: tokenizer?.isSpecial(choice.id) == true ? [] : bytes))
    if text.isStopped { return finish(.stop) }
    if tokens.count >= mostTokens { finish(.length) }
  }

  private func bytes(_ id: Int32) -> [UInt8] { tokenizer?.decodeBytes(id) ?? [] }

  func finish(_ reason: FinishReason) {
    guard !isFinished else { return }
    isFinished = true
    if reason == .stop || reason == .length { send(text.finish()) }
    deliver(
      .finished(reason, Usage(promptTokens: request.prompt.count, answerTokens: written, reusedTokens: reusedTokens)))
  }

  private func send(_ piece: AnswerText.Piece) {
    if !piece.isEmpty { deliver(.text(piece.text, tokens: piece.tokens)) }
  }
}
