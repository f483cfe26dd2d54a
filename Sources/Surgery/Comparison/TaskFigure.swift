import Pages

/// What a model scored in a task or a group of tasks, and whether that is another score than the base's.
public struct TaskFigure: Sendable, Equatable {
  /// "arithmetic_ladder"
  public var task: String
  /// "exact_match,none"
  public var metric: String
  public var value: Double
  /// Against the base; nil for the base itself.
  public var change: Change?

  public struct Change: Sendable, Equatable {
    /// Questions answered worse, and better, than the base answers them.
    public var lost: Int, won: Int
    /// Of the exact sign test over them, corrected for all tasks that were asked.
    public var pValue: Double
    /// "lost", "gained", "mixed", or that there is no evidence of harm.
    public var verdict: String

    public init(lost: Int, won: Int, pValue: Double, verdict: String) {
      (self.lost, self.won, self.pValue, self.verdict) = (lost, won, pValue, verdict)
    }
  }

  public init(task: String, metric: String, value: Double, change: Change? = nil) {
    (self.task, self.metric, self.value, self.change) = (task, metric, value, change)
  }

  /// "0.3100", "0.2800 (-12 +3, p 0.035)"
  var text: String {
    let number = value.magnitude < 10 ? NumberText.fixed(value, 4) : NumberText.significant(value, 5)
    guard let change else { return number }
    let p = change.pValue < 0.0001 ? "p < 0.0001" : "p \(NumberText.fixed(change.pValue, 4))"
    return "\(number) (-\(change.lost) +\(change.won), \(p))"
  }
}

extension ComparisonTable {
  var taskNames: [String] { base.tasks.map(\.task) }

  /// Which cuts have lost in which tasks, beyond chance.
  var taskFindings: [String] {
    guard !base.tasks.isEmpty else { return [] }
    return rows.dropFirst().map { row in
      let lost = zip(row.tasks, base.tasks).filter { $0.0.change?.verdict == "lost" }
      guard !lost.isEmpty else { return "\(row.name): no evidence of harm in \(ComparisonTable.list(taskNames)) at this sample size." }
      let parts = lost.map { "\($0.task) (\(NumberText.fixed($1.value, 4)) → \(NumberText.fixed($0.value, 4)))" }
      return "\(row.name) loses in \(ComparisonTable.list(parts))."
    }
  }
}
