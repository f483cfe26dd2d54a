import Generation
import Synchronization
import TensorCore
import Transformer

/// Has a model go on behind prompts, several side by side over one cache: as soon as an answer ends, the next prompt takes its slot.
///
/// Answers do not depend on each other; with the same options on the same machine they are always the same. Another number of slots runs
/// matrix products of other shapes, whose last bits may tip a choice that was almost even.
public struct AnswerWriter: Sendable {
  public struct Prompt: Sendable, Equatable {
    public let ids: [Int32]
    /// Most ids of the answer.
    public let limit: Int

    public init(_ ids: [Int32], limit: Int) {
      precondition(!ids.isEmpty && limit > 0, "prompt of \(ids.count) ids, answer of \(limit)")
      (self.ids, self.limit) = (ids, limit)
    }
  }

  public struct Answer: Sendable, Equatable {
    /// Without the token that ended it.
    public let ids: [Int32]
    /// The model ended it; else it ran into its limit.
    public let isFinished: Bool
  }

  public struct Progress: Sendable {
    public let finished: Int
    public let prompts: Int
    /// Ids written so far, of all answers.
    public let tokens: Int
  }

  /// - Throws: to stop.
  public typealias Monitor = (Progress) throws -> Void

  private let model: Llama
  private let stops: Set<Int32>
  private let sampling: Sampler.Options
  private let slots: Int

  /// - Parameters:
  ///   - stops: the ids that end an answer.
  ///   - slots: answers written side by side, as far as memory reaches.
  public init(_ model: Llama, stops: Set<Int32>, sampling: Sampler.Options = .greedy, slots: Int = 16) {
    precondition(slots > 0, "answers in \(slots) slots")
    (self.model, self.stops, self.sampling, self.slots) = (model, stops, sampling, slots)
  }

  /// One answer per prompt, in order. Prompt and answer must fit into the model's context.
  /// - Throws: `BackendError`, or what the monitor throws; it is called whenever every answer has got one id more.
  public func answers(to prompts: [Prompt], monitor: Monitor = { _ in }) throws -> [Answer] {
    precondition(prompts.allSatisfy { $0.ids.count + $0.limit <= model.config.contextLength }, "prompts beyond the model's context")
    var answers = [Answer?](repeating: nil, count: prompts.count)
    var slots = slots
    while answers.contains(where: { $0 == nil }) {
      do { try write(prompts, into: &answers, slots: slots, monitor) } catch BackendError.outOfMemory where slots > 1 { slots /= 2 }
    }
    return answers.map { $0! }
  }

  private func write(_ prompts: [Prompt], into answers: inout [Answer?], slots: Int, _ monitor: Monitor) throws {
    let waiting = answers.indices.filter { answers[$0] == nil }
    let capacity = waiting.map { prompts[$0].ids.count + prompts[$0].limit }.max() ?? 0
    let engine = try GenerationEngine(
      model, tokenizer: nil, slots: min(slots, waiting.count), contextLength: capacity, queue: waiting.count)
    let results = Results()
    for prompt in waiting {
      let request = GenerationRequest(
        prompt: prompts[prompt].ids, sampling: sampling, limit: prompts[prompt].limit, stopTokens: stops, stream: prompt)
      try engine.submit(request) { event in results.take(event, of: prompt) }
    }
    let before = answers.reduce(0) { $0 + ($1?.ids.count ?? 0) }
    var failure: (any Error)?
    do {
      while try engine.step() {
        for (prompt, answer) in results.finished() { answers[prompt] = answer }
        let tokens = before + engine.load.tokensWritten - results.stops()
        try monitor(.init(finished: answers.count { $0 != nil }, prompts: prompts.count, tokens: tokens))
      }
    } catch { failure = error }
    for (prompt, answer) in results.finished() { answers[prompt] = answer }
    if let failure { throw failure }
    if let reason = results.failure() { throw BackendError.unavailable(reason: reason) }
  }

  /// What has been heard of the answers. The engine tells it from the thread that steps it, and the compiler does not know that.
  private final class Results: Sendable {
    private struct State {
      var ids: [Int: [Int32]] = [:]
      var finished: [(Int, Answer)] = []
      var stops = 0
      var failure: String?
    }
    private let state = Mutex(State())

    func take(_ event: GenerationEvent, of prompt: Int) {
      state.withLock { state in
        switch event {
        case .text(_, let tokens): state.ids[prompt, default: []] += tokens.map(\.id)
        case .finished(let reason, _):
          let ids = state.ids.removeValue(forKey: prompt) ?? []
          switch reason {
          case .stop:
            state.stops += 1
            state.finished.append((prompt, Answer(ids: ids, isFinished: true)))
          case .length: state.finished.append((prompt, Answer(ids: ids, isFinished: false)))
          case .cancelled: break
          case .failed(let reason): state.failure = reason
          }
        }
      }
    }

    /// Those that have ended since the last call.
    func finished() -> [(Int, Answer)] {
      state.withLock { state in
        defer { state.finished = [] }
        return state.finished
      }
    }

    /// Tokens that ended answers and are no part of them.
    func stops() -> Int { state.withLock { $0.stops } }
    func failure() -> String? { state.withLock { $0.failure } }
  }
}
