import TensorCore

/// A study that no plan fits into the memory there is.
public enum StudyError: Error, Sendable, Equatable, CustomStringConvertible {
  case doesNotFit(prompts: Int, rows: Int, requested: Int, free: Int)

  public var description: String {
    switch self {
    case .doesNotFit(let prompts, let rows, let requested, let free):
      "out of memory: one changed model on \(prompts) prompt\(prompts == 1 ? "" : "s") of \(rows) tokens needs \(max(1, requested >> 20)) MiB "
        + "more, \(free >> 20) MiB are free; a study started afresh "
        + (prompts > 1 ? "with a lower --memory takes fewer prompts at a time; " : "with a lower --max-tokens takes less; ")
        + "a smaller model type (--q8, --q4k) leaves more room"
    }
  }
}

/// Runs the pieces of a study in the memory there is: what runs out is run again in smaller batches, which give the same numbers.
struct MemoryFit {
  private(set) var plan: StudyPlan

  init(plan: StudyPlan) { self.plan = plan }

  /// Runs `piece`, if need be several times with less and less. The plan stays small for the pieces that follow.
  mutating func run<Value>(
    _ group: PromptGroup, note: (String) throws -> Void, _ piece: (StudyPlan) throws(BackendError) -> Value
  ) throws -> Value {
    while true {
      do throws(BackendError) { return try piece(plan) } catch {
        guard case .outOfMemory(let requested, let free) = error else { throw error }
        guard plan.shrink(groupRows: group.rows) else { throw MemoryFit.doesNotFit(group, requested, free) }
      }
      let logits = plan.keepsLogits ? "" : " and no kept ones"
      try note("out of memory: going on with batches of \(plan.rowsPerBatch) rows, \(plan.rowsPerChunk) rows of logits\(logits)")
    }
  }

  /// Runs what no smaller batch helps.
  func whole<Value>(_ group: PromptGroup, _ piece: () throws(BackendError) -> Value) throws -> Value {
    do throws(BackendError) { return try piece() } catch {
      guard case .outOfMemory(let requested, let free) = error else { throw error }
      throw MemoryFit.doesNotFit(group, requested, free)
    }
  }

  private static func doesNotFit(_ group: PromptGroup, _ requested: Int, _ free: Int) -> StudyError {
    .doesNotFit(prompts: group.prompts.count, rows: group.rows, requested: requested, free: free)
  }
}
