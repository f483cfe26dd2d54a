/// Which tasks belong to which groups.
struct TaskHierarchy: Sendable {
  private let groups: [String: TaskGroup]
  /// Groups that no other group has, in the order given.
  let roots: [String]
  /// Every group, each before its subgroups.
  let downwards: [TaskGroup]
  /// Every group, each behind its subgroups.
  let upwards: [TaskGroup]

  init(_ groups: [TaskGroup]) {
    let named = Dictionary(groups.map { ($0.name, $0) }) { first, _ in first }
    let children = Set(groups.flatMap { group in group.members.filter { named[$0] != nil && $0 != group.name } })
    roots = groups.map(\.name).filter { !children.contains($0) }
    var (downwards, upwards): ([TaskGroup], [TaskGroup]) = ([], [])
    var seen: Set<String> = []
    func visit(_ name: String) {
      // A group within itself is left where it was first met.
      guard let group = named[name], seen.insert(name).inserted else { return }
      downwards.append(group)
      for member in group.members { visit(member) }
      upwards.append(group)
    }
    for name in roots { visit(name) }
    (self.groups, self.downwards, self.upwards) = (named, downwards, upwards)
  }

  subscript(name: String) -> TaskGroup? { groups[name] }

  /// Names of the tasks of a group, its subgroups' tasks in their place.
  func tasks(of name: String) -> [String] {
    func tasks(_ name: String, _ path: Set<String>) -> [String] {
      guard let group = groups[name] else { return [name] }
      guard !path.contains(name) else { return [] }
      return group.members.flatMap { tasks($0, path.union([name])) }
    }
    return tasks(name, [])
  }

  /// Groups directly within a group.
  func subgroups(of name: String) -> [String] { groups[name]?.members.filter { groups[$0] != nil && $0 != name } ?? [] }

  /// Names as the harness' tables order them: along the tree, sorted at each level, and what is in no group behind; with their depth.
  func ordered(_ names: some Sequence<String>) -> [(name: String, depth: Int)] {
    let available = Set(names)
    var (ordered, known): ([(name: String, depth: Int)], Set<String>) = ([], [])
    func visit(_ name: String, _ path: [String]) {
      guard !path.contains(name) else { return }
      known.insert(name)
      if available.contains(name) { ordered.append((name, path.count)) }
      for member in TaskHierarchy.sorted(groups[name]?.members ?? []) { visit(member, path + [name]) }
    }
    for name in TaskHierarchy.sorted(roots) { visit(name, []) }
    return ordered + TaskHierarchy.sorted(available.filter { !known.contains($0) }).map { ($0, 0) }
  }

  /// By code point, as Python sorts.
  static func sorted(_ names: some Sequence<String>) -> [String] { names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
}
