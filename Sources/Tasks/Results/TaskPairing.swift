/// A model against the base, task by task.
public struct TaskPairing: Sendable {
  public struct Row: Sendable {
    /// Of a task or a group.
    public let name: String, alias: String
    /// 0: in no group.
    public let depth: Int
    public let isGroup: Bool
    /// The task's metrics in its own order.
    public let differences: [PairedDifference]
    public let divergence: TaskReport.Divergence?
    /// How figures of a metric are to be shown: shares of 1, or anything.
    let areShares: [Bool]
  }

  public let base: String, cut: String
  /// In the order of the harness' tables; tasks that only one of the two has, or with other questions, are left out.
  public private(set) var rows: [Row]

  /// p-values are corrected together (`HolmCorrection`) for the tasks of a group, for the subgroups of a group, and for what is in no group.
  init(base: TaskReport.Model, cut: TaskReport.Model, hierarchy: TaskHierarchy) {
    (self.base, self.cut) = (base.name, cut.name)
    let left = Dictionary(base.results.map { ($0.name, $0) }) { first, _ in first }
    let right = Dictionary(cut.results.map { ($0.name, $0) }) { first, _ in first }
    rows = hierarchy.ordered(Array(left.keys) + hierarchy.upwards.map(\.name)).compactMap { name, depth in
      if let group = hierarchy[name] { return TaskPairing.row(group, depth, hierarchy, left, right, cut.divergences) }
      guard let task = left[name], let other = right[name] else { return nil }
      let pairs = task.metrics.compactMap { metric in other[metric.key].flatMap { PairedDifference(base: metric, cut: $0) } }
      guard !pairs.isEmpty else { return nil }
      return Row(
        name: name, alias: task.alias, depth: depth, isGroup: false, differences: pairs, divergence: cut.divergences[name],
        areShares: pairs.map { task[$0.metric]?.aggregation == .mean })
    }
    for root in hierarchy.roots { correct(Set(hierarchy.tasks(of: root))) }
    for group in hierarchy.upwards { correct(Set(hierarchy.subgroups(of: group.name))) }
    correct(Set(rows.filter { $0.depth == 0 }.map(\.name)))
  }

  private static func row(
    _ group: TaskGroup, _ depth: Int, _ hierarchy: TaskHierarchy, _ left: [String: TaskResult], _ right: [String: TaskResult],
    _ divergences: [String: TaskReport.Divergence]
  ) -> Row? {
    let tasks = hierarchy.tasks(of: group.name).filter { left[$0] != nil && right[$0] != nil }
    let pairs = group.metrics.flatMap { metric in
      let keys = Set(tasks.flatMap { left[$0]!.metrics.filter { $0.name == metric.name }.map(\.key) })
      return TaskHierarchy.sorted(keys).compactMap { key in
        PairedDifference(
          tasks: tasks.compactMap { task in left[task]![key].flatMap { base in right[task]![key].map { (base, $0) } } },
          isWeightedBySize: metric.isWeightedBySize)
      }
    }
    guard !pairs.isEmpty else { return nil }
    let known = tasks.compactMap { divergences[$0] }
    let positions = known.reduce(0) { $0 + $1.positions }
    let mean = known.reduce(0) { $0 + $1.mean * Double($1.positions) } / Double(positions)
    return Row(
      name: group.name, alias: group.alias, depth: depth, isGroup: true, differences: pairs,
      divergence: positions > 0 && known.count == tasks.count ? TaskReport.Divergence(mean: mean, positions: positions) : nil,
      areShares: pairs.map { pair in tasks.allSatisfy { left[$0]![pair.metric].map { $0.aggregation == .mean } ?? true } })
  }

  /// A main metric is corrected for the other main ones, whatever they are called: they say whether a task lost. Every further metric is
  /// corrected for all of its name.
  private mutating func correct(_ members: Set<String>) {
    let figures = rows.indices.filter { members.contains(rows[$0].name) }.flatMap { row in
      rows[row].differences.enumerated().map { (row: row, place: $0, pair: $1) }
    }
    let further = Set(figures.filter { $0.place > 0 }.map(\.pair.metric))
    let families = [figures.filter { $0.place == 0 }] + further.map { key in figures.filter { $0.pair.metric == key } }
    for (number, family) in families.enumerated() where family.count > 1 {
      for (figure, value) in zip(family, HolmCorrection.adjusted(family.map(\.pair.pValue))) where number == 0 || figure.place > 0 {
        rows[figure.row] = rows[figure.row].adjusting(figure.place, to: value)
      }
    }
  }
}

extension TaskPairing.Row {
  fileprivate func adjusting(_ place: Int, to value: Double) -> Self {
    var differences = differences
    differences[place].adjustedPValue = value
    return Self(
      name: name, alias: alias, depth: depth, isGroup: isGroup, differences: differences, divergence: divergence, areShares: areShares)
  }
}
