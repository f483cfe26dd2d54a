import Generation
import Tokenization
import Transformer

/// Has a model write answers, side by side and greedily, as `HFLM.generate_until` of lm-evaluation-harness does: a prompt that leaves no room
/// loses its beginning, an answer ends with a stop string, an end token, or after so many tokens.
public struct AnswerWriter: Sendable {
  private let model: Llama
  private let encoder: RequestEncoder
  private let ends: Set<Int32>
  private let slots: Int

  public static let usualSlots = 8

  /// - Parameter slots: answers written side by side.
  public init(_ model: Llama, _ encoder: RequestEncoder, ends: Set<Int32>, slots: Int = usualSlots) {
    (self.model, self.encoder, self.ends, self.slots) = (model, encoder, ends, slots)
  }

  /// Why nothing can be written.
  public struct Refusal: Error, Sendable, CustomStringConvertible { public let description: String }

  /// One text for each prompt.
  /// - Parameters:
  ///   - stops: texts that end an answer and are no part of it.
  ///   - limit: most tokens of an answer.
  ///   - monitor: hears how many answers were finished, now and then none; throwing ends the work.
  /// - Throws: `Refusal`, `GenerationError`, `BackendError`.
  public func answers(
    to prompts: [String], stops: [String], limit: Int, monitor: (ScoringEvent) throws -> Void = { _ in }
  ) throws -> [String] {
    guard limit < encoder.maxLength else {
      throw Refusal(
        description: "answers of up to \(limit) tokens leave no room for a question: the model reads at most \(encoder.maxLength)")
    }
    let requests = prompts.map {
      GenerationRequest(
        prompt: encoder.prompt($0, room: limit), limit: limit, stopTokens: ends, stopStrings: stops.filter { !$0.isEmpty })
    }
    let longest = requests.map { $0.prompt.count + limit }.max() ?? 2
    let engine = try GenerationEngine(
      model, encoder.tokenizer, slots: min(slots, max(1, prompts.count)), contextLength: max(2, longest), queue: prompts.count)
    let collected = try requests.map { request in
      let answer = CollectedAnswer()
      try engine.submit(request, deliver: answer.deliver)
      return answer
    }
    var finished = 0
    while try engine.step() {
      let now = engine.load.finished
      try monitor(.requests(now - finished))
      finished = now
    }
    return try collected.map { answer in
      if case .failed(let why)? = answer.end?.reason { throw Refusal(description: why) }
      // As that program's decoder writes an answer: without the space in front that SentencePiece drops.
      let text = answer.text
      return encoder.tokenizer.dropsFirstSpace && text.utf8.first == UInt8(ascii: " ") ? String(text.dropFirst()) : text
    }
  }
}
