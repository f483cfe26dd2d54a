import Generation
import Synchronization

@testable import Serving

/// An engine whose answers a test dictates.
final class FakeEngine: AnswerEngine {
  enum Manner: Sendable {
    /// These pieces at once, one token each, and this end.
    case says([String], FinishReason)
    /// Nothing but what the test has it say.
    case waits
    case refuses(GenerationError)
  }

  struct Taken: Sendable {
    let request: GenerationRequest
    let deliver: @Sendable (GenerationEvent) -> Void
    var isCancelled = false
    var isPaused = false
    var pauses = 0
    var resumes = 0
  }

  private let manner: Manner
  private let requests = Mutex<[Taken]>([])

  init(_ manner: Manner) { self.manner = manner }

  var taken: [Taken] { requests.withLock { $0 } }
  var measures: [Measure] { [Measure("hoof_slots", .gauge, "Answers that can be written side by side", 1)] }

  func begin(
    _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
  ) throws(GenerationError) -> any AnswerControl {
    if case .refuses(let error) = manner { throw error }
    let index = requests.withLock { requests in
      requests.append(Taken(request: request, deliver: deliver))
      return requests.count - 1
    }
    if case .says(let pieces, let reason) = manner {
      for piece in pieces { deliver(Self.text(piece, request)) }
      deliver(.finished(reason, Usage(promptTokens: request.prompt.count, answerTokens: pieces.count, reusedTokens: 1)))
    }
    return Control(engine: self, index: index)
  }

  /// One token, of id 7, with the alternatives that were asked for.
  static func text(_ piece: String, _ request: GenerationRequest) -> GenerationEvent {
    let bytes = Array(piece.utf8)
    let alternatives = (0..<(request.logprobs ?? 0)).map {
      (id: Int32(7 + $0), bytes: bytes + Array("\($0)".utf8), logprob: Float(-1 - $0))
    }
    let token = GeneratedToken(id: 7, bytes: bytes, logprob: request.logprobs == nil ? nil : -0.5, alternatives: alternatives)
    return .text(piece, tokens: [token])
  }

  func say(_ piece: String, to index: Int = 0) {
    let one = taken[index]
    one.deliver(Self.text(piece, one.request))
  }

  func end(_ index: Int = 0, _ reason: FinishReason = .stop, tokens: Int = 1) {
    let one = taken[index]
    one.deliver(.finished(reason, Usage(promptTokens: one.request.prompt.count, answerTokens: tokens, reusedTokens: 0)))
  }

  fileprivate func change(_ index: Int, _ body: (inout Taken) -> Void) { requests.withLock { body(&$0[index]) } }

  private struct Control: AnswerControl {
    let engine: FakeEngine
    let index: Int

    func cancel() {
      engine.change(index) { $0.isCancelled = true }
      engine.end(index, .cancelled)
    }
    func pause() { engine.change(index) { ($0.isPaused, $0.pauses) = (true, $0.pauses + 1) } }
    func resume() { engine.change(index) { ($0.isPaused, $0.resumes) = (false, $0.resumes + 1) } }
  }
}
