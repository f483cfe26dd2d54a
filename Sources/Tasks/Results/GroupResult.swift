/// What one model scored in one group.
public struct GroupResult: Sendable, Equatable {
  public struct Metric: Sendable, Equatable {
    /// "acc", "none"
    public let name: String, filter: String
    public let isWeightedBySize: Bool
    public let score: GroupScore

    public var key: String { "\(name),\(filter)" }
  }

  public let name: String, alias: String, version: String
  /// Names of its tasks that were run, subgroups' included.
  public let tasks: [String]
  /// Of all its tasks.
  public let questions: Int
  public let metrics: [Metric]

  /// - Parameter results: of one model; a task that is missing does not count, nor does a metric that a task does not have
  init(_ group: TaskGroup, in hierarchy: TaskHierarchy, results: [String: TaskResult]) {
    let own = hierarchy.tasks(of: group.name).compactMap { results[$0] }
    (name, alias, version) = (group.name, group.alias, group.version)
    (tasks, questions) = (own.map(\.name), own.reduce(0) { $0 + $1.asked })
    metrics = group.metrics.flatMap { metric in
      let filters = Set(own.flatMap { $0.metrics.filter { $0.name == metric.name }.map(\.filter) })
      return TaskHierarchy.sorted(filters).compactMap { filter in
        let parts = own.compactMap { task in
          task["\(metric.name),\(filter)"].map {
            GroupScore.Part(value: $0.value, standardError: $0.standardError, questions: task.asked)
          }
        }
        return GroupScore(parts, isWeightedBySize: metric.isWeightedBySize).map {
          Metric(name: metric.name, filter: filter, isWeightedBySize: metric.isWeightedBySize, score: $0)
        }
      }
    }
  }
}
