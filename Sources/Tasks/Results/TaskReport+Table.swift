extension TaskReport {
  /// The table of results exactly as lm-evaluation-harness prints it (`make_table`), a line feed behind each line.
  public func table(of model: Model) -> String {
    let groups = groupResults(of: model)
    let cells = hierarchy.ordered(model.results.map(\.name) + groups.map(\.name)).flatMap { name, depth in
      if let task = model.results.first(where: { $0.name == name }) { return rows(of: task, depth: depth) }
      return groups.first { $0.name == name }.map { rows(of: $0, depth: depth, model: model) } ?? []
    }
    return HarnessTable(head: TaskReport.head("Tasks"), rows: cells).text
  }

  /// The table of groups, as the harness prints it below the first; nil where no group has a metric.
  public func groupTable(of model: Model) -> String? {
    let groups = groupResults(of: model).filter { group in hierarchy[group.name]?.metrics.isEmpty == false }
    guard !groups.isEmpty else { return nil }
    let cells = hierarchy.ordered(groups.map(\.name)).flatMap { name, depth in
      groups.first { $0.name == name }.map { rows(of: $0, depth: depth, model: model) } ?? []
    }
    return HarnessTable(head: TaskReport.head("Groups"), rows: cells).text
  }

  private static func head(_ first: String) -> [String] { [first, "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"] }

  private func rows(of task: TaskResult, depth: Int) -> [[HarnessTable.Cell]] {
    let version: HarnessTable.Cell = Double(task.version) == nil ? .text(task.version) : .number(task.version)
    return TaskReport.rows(
      task.alias, depth: depth, version: version, shots: "\(task.shots)",
      metrics: task.metrics.map { ($0.name, $0.filter, $0.isHigherBetter, $0.value, $0.standardError) })
  }

  private func rows(of group: GroupResult, depth: Int, model: Model) -> [[HarnessTable.Cell]] {
    let inherited = inherited(by: model)[group.name]
    return TaskReport.rows(
      group.alias, depth: depth, version: .text(group.version), shots: inherited?.shots.map(String.init) ?? " ",
      metrics: group.metrics.map {
        ($0.name, $0.filter, inherited?.isHigherBetter[$0.name] ?? nil, $0.score.value, $0.score.standardError)
      })
  }

  private typealias Figure = (name: String, filter: String, isHigherBetter: Bool?, value: Double, error: Double?)

  private static func rows(
    _ alias: String, depth: Int, version: HarnessTable.Cell, shots: String, metrics: [Figure]
  ) -> [[HarnessTable.Cell]] {
    let sorted = metrics.sorted { "\($0.name),\($0.filter)".utf8.lexicographicallyPrecedes("\($1.name),\($1.filter)".utf8) }
    return sorted.enumerated().map { index, metric in
      [
        .text(index > 0 ? "" : depth > 0 ? String(repeating: " ", count: depth) + "- " + alias : alias),
        index > 0 ? .text("") : version, .text(metric.filter), .text(shots), .text(metric.name),
        .text(metric.isHigherBetter.map { $0 ? "↑" : "↓" } ?? ""), .text(HarnessTable.fixed4(metric.value)), .text("±"),
        .text(metric.error.map(HarnessTable.fixed4) ?? "   N/A"),
      ]
    }
  }

  /// What a group has of its direct members, where they agree. The harness asks a group before its subgroups, so that only groups of tasks have
  /// any.
  struct Inherited {
    let shots: Int?
    /// nil within: members disagree
    let isHigherBetter: [String: Bool?]
    /// In the order in which they were met.
    let metrics: [String]
  }

  func inherited(by model: Model) -> [String: Inherited] {
    let results = Dictionary(model.results.map { ($0.name, $0) }) { first, _ in first }
    return Dictionary(
      uniqueKeysWithValues: hierarchy.downwards.map { group in
        let tasks = group.members.compactMap { results[$0] }
        let shots = Set(tasks.map(\.shots))
        var (directions, metrics): ([String: Bool?], [String]) = ([:], [])
        for metric in tasks.flatMap(\.metrics) {
          if let known = directions[metric.name] {
            if known != metric.isHigherBetter { directions[metric.name] = .some(nil) }
          } else {
            directions[metric.name] = metric.isHigherBetter
            metrics.append(metric.name)
          }
        }
        return (group.name, Inherited(shots: shots.count == 1 ? shots.first : nil, isHigherBetter: directions, metrics: metrics))
      })
  }
}
