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

  /// - Parameter slots: answers written side by side at most; nil takes what the device has use for.
  public init(_ model: Llama, _ encoder: RequestEncoder, ends: Set<Int32>, slots: Int? = nil) {
    (self.model, self.encoder, self.ends) = (model, encoder, ends)
    // A CPU reads its weights little faster for many than for eight; a GPU does.
    self.slots = slots ?? (model.backend.usefulRows == nil ? 8 : 64)
  }

  public enum Event: Sendable {
    /// The next answers, in the order of the prompts.
    case texts([String])
    /// So many answers, anywhere among them, have come to their end; now and then none.
    case finished(Int)
  }

  /// Why nothing can be written.
  public struct Refusal: Error, Sendable, CustomStringConvertible { public let description: String }

  /// One text for each prompt.
  /// - Parameters:
  ///   - stops: texts that end an answer and are no part of it.
  ///   - limit: most tokens of an answer.
  ///   - hear: gets every text, as soon as it and all before it are written; throwing ends the work.
  /// - Throws: `Refusal`, `GenerationError`, `BackendError`, or what `hear` throws.
  public func write(answersTo prompts: [String], stops: [String], limit: Int, hear: (Event) throws -> Void) throws {
    guard limit < encoder.maxLength else {
      throw Refusal(
        description: "answers of up to \(limit) tokens leave no room for a question: the model reads at most \(encoder.maxLength)")
    }
    let requests = prompts.map {
      GenerationRequest(
        prompt: encoder.prompt($0, room: limit), limit: limit, stopTokens: ends, stopStrings: stops.filter { !$0.isEmpty })
    }
    let contextLength = max(2, requests.map { $0.prompt.count + limit }.max() ?? 2)
    let engine = try GenerationEngine(
      model, encoder.tokenizer, slots: fitting(min(slots, max(1, prompts.count)), contextLength), contextLength: contextLength,
      queue: prompts.count)
    let collected = try requests.map { request in
      let answer = CollectedAnswer()
      try engine.submit(request, deliver: answer.deliver)
      return answer
    }
    var (finished, heard) = (0, 0)
    while try engine.step() {
      let ready = collected[heard...].prefix { $0.end != nil }
      if !ready.isEmpty { try hear(.texts(ready.map(text))) }
      heard += ready.count
      let now = engine.load.finished
      try hear(.finished(now - finished))
      finished = now
    }
    if heard < collected.count { try hear(.texts(collected[heard...].map(text))) }
  }

  /// Fewer slots where their keys and values would take more than half of the memory that is free.
  private func fitting(_ slots: Int, _ contextLength: Int) -> Int {
    let free = model.backend.memory().free / 2
    var slots = slots
    while slots > 1, GenerationEngine.cacheBytes(model, slots: slots, contextLength: contextLength) > free { slots /= 2 }
    return slots
  }

  private func text(_ answer: CollectedAnswer) throws -> String {
    if case .failed(let why)? = answer.end?.reason { throw Refusal(description: why) }
    // As the harness' decoder writes an answer: without the space in front that SentencePiece drops.
    let text = answer.text
    return encoder.tokenizer.dropsFirstSpace && text.utf8.first == UInt8(ascii: " ") ? String(text.dropFirst()) : text
  }
}
