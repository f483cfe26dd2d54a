/// A metric over the tasks of a group, as lm-evaluation-harness aggregates it (api/group.py and api/metrics.py).
public struct GroupScore: Sendable, Equatable {
  public let value: Double
  /// nil where a task has none.
  public let standardError: Double?
  /// Questions of all tasks that have the metric.
  public let questions: Int

  /// What a group needs to know of a task.
  public struct Part: Sendable, Equatable {
    public let value: Double
    public let standardError: Double?
    public let questions: Int

    public init(value: Double, standardError: Double?, questions: Int) {
      (self.value, self.standardError, self.questions) = (value, standardError, questions)
    }
  }

  /// - Parameters:
  ///   - parts: the tasks that have the metric, subgroups replaced by their tasks; nil is given back for none
  ///   - isWeightedBySize: whether every question counts the same, with the pooled standard error √(Σ (nᵢ - 1) sᵢ² nᵢ / (Σ nᵢ - k) / Σ nᵢ);
  ///     else every task does, with √(Σ sᵢ²) / k
  public init?(_ parts: [Part], isWeightedBySize: Bool) {
    guard !parts.isEmpty else { return nil }
    let sizes = parts.map { isWeightedBySize ? Double($0.questions) : 1 }
    value = zip(parts, sizes).reduce(0) { $0 + $1.0.value * $1.1 } / sizes.reduce(0, +)
    questions = parts.reduce(0) { $0 + $1.questions }
    let errors = parts.compactMap(\.standardError)
    if errors.count < parts.count {
      standardError = nil
    } else if isWeightedBySize {
      let total = sizes.reduce(0, +)
      let squares = zip(errors, sizes).reduce(0) { $0 + ($1.1 - 1) * $1.0 * $1.0 * $1.1 }
      standardError = (squares / (total - Double(parts.count)) / total).squareRoot()
    } else {
      standardError = errors.reduce(0) { $0 + $1 * $1 }.squareRoot() / Double(parts.count)
    }
  }
}
