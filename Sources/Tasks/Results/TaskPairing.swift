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

  /// p-values of a group's tasks are corrected together (`HolmCorrection`), metric by metric, and so are those of the subgroups of a group.
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

  private mutating func correct(_ family: Set<String>) {
    let members = rows.indices.filter { family.contains(rows[$0].name) }
    for key in Set(members.flatMap { rows[$0].differences.map(\.metric) }) {
      let places = members.compactMap { row in rows[row].differences.firstIndex { $0.metric == key }.map { (row, $0) } }
      guard places.count > 1 else { continue }
      let adjusted = HolmCorrection.adjusted(places.map { rows[$0.0].differences[$0.1].pValue })
      for ((row, place), value) in zip(places, adjusted) { rows[row] = rows[row].adjusting(place, to: value) }
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
