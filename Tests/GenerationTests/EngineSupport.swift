import BackendCPU
import Formats
import Generation
import Glibc
import Synchronization
import TensorCore
import TestSupport
import Tokenization
import Transformer

/// The model that the repository brings along, ready to write.
struct Example {
  static let path = SharedData.packageRoot + "/examples/talespin-tiny"
  let model: Llama
  let tokenizer: Tokenizer

  init(_ path: String = path, on backend: any ComputeBackend = CPUBackend(threads: 2)) throws {
    let source = try ModelSource.open(path: path)
    model = try Llama(source, on: backend)
    tokenizer = try Tokenizer(json: source.tokenizer ?? [])
  }

  func engine(slots: Int = 1, contextLength: Int? = nil, queue: Int = 100) throws -> GenerationEngine {
    try GenerationEngine(
      model, tokenizer, slots: slots, contextLength: contextLength ?? model.config.contextLength, queue: queue)
  }

  func ids(_ text: String) -> [Int32] { tokenizer.encode(text) }

  static let prompts = [
    "Once upon a time there was a dog", "Lily and Tom went to the park.", "The", "One day, a little girl named Sue found a big red ball",
    "Ben had a boat.",
  ]
}

/// What a request heard.
final class Answer: Sendable {
  struct State {
    var text = ""
    var pieces: [String] = []
    var tokens: [GeneratedToken] = []
    var reason: FinishReason?
    var usage: Usage?
  }
  private let state = Mutex(State())

  var deliver: @Sendable (GenerationEvent) -> Void {
    { event in
      self.state.withLock { state in
        switch event {
        case .text(let text, let tokens):
          precondition(state.reason == nil, "text behind the end")
          state.text += text
          state.pieces.append(text)
          state.tokens += tokens
        case .finished(let reason, let usage):
          precondition(state.reason == nil, "ended twice")
          (state.reason, state.usage) = (reason, usage)
        }
      }
    }
  }

  var text: String { state.withLock { $0.text } }
  var pieces: [String] { state.withLock { $0.pieces } }
  var tokens: [GeneratedToken] { state.withLock { $0.tokens } }
  var ids: [Int32] { tokens.map(\.id) }
  var reason: FinishReason? { state.withLock { $0.reason } }
  var usage: Usage? { state.withLock { $0.usage } }
}

extension GenerationEngine {
  /// Steps until there is nothing to do.
  func drain() throws { while try step() {} }

  func start(_ request: GenerationRequest) throws -> Answer {
    let answer = Answer()
    try submit(request, deliver: answer.deliver)
    return answer
  }

  /// The answer to one request, from beginning to end.
  func answer(_ request: GenerationRequest) throws -> Answer {
    let answer = try start(request)
    try drain()
    return answer
  }
}

func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }

extension String {
  /// Where `part` first begins, as a range up to there.
  func range(of part: String) -> PartialRangeUpTo<String.Index>? {
    indices.first { self[$0...].hasPrefix(part) }.map { ..<$0 }
  }
}
