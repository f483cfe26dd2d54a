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
  private let sampler: Sampler
  private let slots: Int

  /// - Parameters:
  ///   - stops: the ids that end an answer.
  ///   - slots: answers written side by side, as far as memory reaches.
  public init(_ model: Llama, stops: Set<Int32>, sampling: Sampler.Options = .greedy, slots: Int = 16) {
    precondition(slots > 0, "answers in \(slots) slots")
    (self.model, self.stops, self.slots) = (model, stops, slots)
    sampler = Sampler(sampling)
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

  /// An answer in the making.
  private struct Slot {
    let prompt: Int
    var ids: [Int32] = []
  }

  private func write(_ prompts: [Prompt], into answers: inout [Answer?], slots: Int, _ monitor: Monitor) throws {
    var waiting = answers.indices.filter { answers[$0] == nil }[...]
    let capacity = waiting.map { prompts[$0].ids.count + prompts[$0].limit }.max() ?? 0
    var cache = try KVCache(model.config, slots: min(slots, waiting.count), capacity: capacity, on: model.backend)
    var active = [Slot?](repeating: nil, count: cache.slots)
    var next = [[Int32]](repeating: [], count: cache.slots)
    var tokens = answers.reduce(0) { $0 + ($1?.ids.count ?? 0) }
    while true {
      for slot in active.indices where active[slot] == nil {
        guard let prompt = waiting.popFirst() else { break }
        active[slot] = Slot(prompt: prompt)
        next[slot] = prompts[prompt].ids
      }
      let writing = active.indices.filter { active[$0] != nil }
      guard !writing.isEmpty else { return }
      let logits = try model.extend(&cache, by: next)
      let chosen = try sampler.tokens(logits, at: writing.map { .init(stream: active[$0]!.prompt, index: active[$0]!.ids.count) })
      for (place, id) in zip(writing, chosen) {
        var slot = active[place]!
        let ends = stops.contains(id)
        if !ends {
          slot.ids.append(id)
          tokens += 1
        }
        if ends || slot.ids.count == prompts[slot.prompt].limit {
          answers[slot.prompt] = Answer(ids: slot.ids, isFinished: ends)
          (active[place], next[place]) = (nil, [])
          cache.truncate(place, to: 0)
        } else {
          (active[place], next[place]) = (slot, [id])
        }
      }
      try monitor(.init(finished: answers.count { $0 != nil }, prompts: prompts.count, tokens: tokens))
    }
  }
}
