import Generation
import JSON
import Tokenization

/// What a server asks of whoever writes answers: `GenerationEngine`, or a stand-in for tests.
public protocol AnswerEngine: Sendable {
  /// Takes a request. `deliver` is called on a thread of the engine's, and may be before this returns.
  func begin(
    _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
  ) throws(GenerationError) -> any AnswerControl

  /// For /metrics.
  var measures: [Measure] { get }
}

/// A hand on an answer that is being written.
public protocol AnswerControl: Sendable {
  func cancel()
  func pause()
  func resume()
}

/// A model under the name that requests choose it by.
public struct ServedModel: Sendable {
  public let id: String
  public let engine: any AnswerEngine
  /// What stands in front of an answer to a conversation; throws what is wrong with the conversation, or why this model takes none.
  public let chat: @Sendable ([ChatTemplate.Message]) throws -> ChatPrompt.Prompt
  /// A text's ids, with the begin token and without an end.
  public let encode: @Sendable (String) -> [Int32]
  /// Ids that end an answer.
  public let ends: Set<Int32>
  /// No text of more bytes fits the context, whatever its tokens are.
  public let mostBytes: Int
  /// The member "hoof" of the model's entry in /v1/models.
  public let facts: JSON

  public init(
    id: String, engine: any AnswerEngine, chat: @escaping @Sendable ([ChatTemplate.Message]) throws -> ChatPrompt.Prompt,
    encode: @escaping @Sendable (String) -> [Int32], ends: Set<Int32>, mostBytes: Int, facts: JSON
  ) {
    (self.id, self.engine, self.chat, self.encode) = (id, engine, chat, encode)
    (self.ends, self.mostBytes, self.facts) = (ends, mostBytes, facts)
  }
}

extension GenerationEngine: AnswerEngine {
  private struct Control: AnswerControl {
    let engine: GenerationEngine
    let ticket: Ticket
    func cancel() { engine.cancel(ticket) }
    func pause() { engine.pause(ticket) }
    func resume() { engine.resume(ticket) }
  }

  public func begin(
    _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
  ) throws(GenerationError) -> any AnswerControl {
    Control(engine: self, ticket: try submit(request, deliver: deliver))
  }

  public var measures: [Measure] {
    let load = load
    return [
      Measure("hoof_slots", .gauge, "Answers that can be written side by side", Double(load.slots)),
      Measure("hoof_answers_active", .gauge, "Answers that are being written", Double(load.active)),
      Measure("hoof_answers_waiting", .gauge, "Requests that wait for a slot", Double(load.waiting)),
      Measure("hoof_prompt_tokens_read_total", .counter, "Prompt tokens that went through the model", Double(load.tokensRead)),
      Measure("hoof_prompt_tokens_reused_total", .counter, "Prompt tokens that were found in the cache", Double(load.tokensReused)),
      Measure("hoof_tokens_written_total", .counter, "Tokens of answers", Double(load.tokensWritten)),
      Measure("hoof_passes_total", .counter, "Passes through the model", Double(load.passes)),
      Measure("hoof_pass_seconds_total", .counter, "Time in passes", load.secondsInPasses),
    ]
  }
}
