import Formats
import Spelling

/// What --tasks named: tasks in the order of the harness, and the groups they are reported in.
public struct TaskSelection: Sendable {
  public let tasks: [TaskData]
  /// Outer ones first; members without data are left out.
  public let groups: [TaskGroup]
  /// Sentences that a user should read: members of groups that the folder does not hold.
  public let notes: [String]
}

extension TaskCatalogue {
  /// - Parameters:
  ///   - names: of tasks, groups or tags, patterns with '*'; or of NAME.jsonl in `folder` in neutral form
  ///   - folder: where the data lies; nil for tasks that need none
  public func select(_ names: [String], in folder: String?) throws(TaskError) -> TaskSelection {
    if let folder, !isFolder(folder) { throw .file(FormatError(folder, nil, "is no folder with data")) }
    var selector = TaskSelector(catalogue: self, folder: DataFolder(path: folder))
    do throws(TaskError) {
      for name in names { try selector.add(name) }
    } catch {
      if folder == nil, case .noData(let task, _, _, _) = error { throw .noFolder(task: task) }
      throw error
    }
    return selector.selection
  }
}

/// Opens what is named, each task once.
private struct TaskSelector {
  let catalogue: TaskCatalogue
  let folder: DataFolder
  private let files = OpenFiles()
  private var tasks: [TaskData] = []
  private var opened: Set<String> = []
  private var groups: [TaskGroup] = []
  private var notes: [String] = []

  init(catalogue: TaskCatalogue, folder: DataFolder) { (self.catalogue, self.folder) = (catalogue, folder) }

  var selection: TaskSelection { TaskSelection(tasks: tasks, groups: groups, notes: notes) }

  mutating func add(_ name: String) throws(TaskError) {
    if let group = catalogue.group(name) {
      var missing: TaskError?
      guard try add(group, missing: &missing) else {
        throw missing ?? .noData(task: name, folder: folder.path ?? "", looked: name, parquet: nil)
      }
    } else if let layouts = catalogue.layouts(name) {
      try add(layouts)
    } else if case let members = name.contains(where: { "*?[".contains($0) }) ? catalogue.matching(name) : catalogue.tagged(name),
      !members.isEmpty
    {
      try addThose(of: members, named: name)
    } else {
      try addNeutral(name)
    }
  }

  /// The tasks of a tag or a pattern that the folder has data for.
  private mutating func addThose(of members: [String], named name: String) throws(TaskError) {
    var (missing, first): ([String], TaskError?) = ([], nil)
    for member in members {
      do throws(TaskError) { try add(member) } catch {
        guard case .noData = error else { throw error }
        missing.append(member)
        first = first ?? error
      }
    }
    guard missing.count < members.count else { throw first! }
    note(missing, of: members.count, in: name)
  }

  private mutating func note(_ missing: [String], of count: Int, in name: String) {
    guard !missing.isEmpty else { return }
    let shown = missing.prefix(6).joined(separator: ", ") + (missing.count > 6 ? " …" : "")
    notes.append("\(name): no data for \(missing.count) of \(count) tasks (\(shown)); the rest is asked")
  }

  /// - Returns: whether there is data for a member.
  private mutating func add(_ group: TaskGroup, missing: inout TaskError?) throws(TaskError) -> Bool {
    guard opened.insert(group.name).inserted else { return true }
    let place = groups.count
    groups.append(group)
    var (present, absent): ([String], [String]) = ([], [])
    for member in group.members {
      do throws(TaskError) {
        if let inner = catalogue.group(member) {
          guard try add(inner, missing: &missing) else {
            absent.append(member)
            continue
          }
        } else {
          try add(catalogue.layouts(member)!)
        }
        present.append(member)
      } catch {
        guard case .noData = error else { throw error }
        missing = missing ?? error
        absent.append(member)
      }
    }
    guard !present.isEmpty else {
      groups.remove(at: place)
      opened.remove(group.name)
      return false
    }
    groups[place].members = present
    note(absent, of: group.members.count, in: group.name)
    return true
  }

  private mutating func addNeutral(_ name: String) throws(TaskError) {
    let isPlain = !name.isEmpty && !name.contains("/") && name.utf8.count <= 200
    guard isPlain, folder.find(name, split: "test", isAsked: true) != nil else {
      throw .unknown(name: name, hint: NearestName.hint(for: name, in: catalogue.selectable), folder: folder.path)
    }
    let layouts: [TaskDefinition]
    do throws(FormatError) { layouts = try catalogue.neutralLayouts(name) } catch { throw .file(error) }
    try add(layouts)
  }

  private mutating func add(_ layouts: [TaskDefinition]) throws(TaskError) {
    guard !opened.contains(layouts[0].name) else { return }
    let data: TaskData?
    do throws(FormatError) { data = try open(layouts) } catch { throw .file(error) }
    guard let data else {
      let (names, split) = (layouts[0].files, layouts[0].splits.asked)
      throw .noData(
        task: layouts[0].name, folder: folder.path ?? "",
        looked: DataFolder.examples(names, split: split, splitFiles: layouts[0].splitFiles[split] ?? []),
        parquet: folder.findParquet(names, split: split))
    }
    tasks.append(data)
    opened.insert(layouts[0].name)
    for note in data.notes where !notes.contains(note) { notes.append(note) }
  }

  private func open(_ layouts: [TaskDefinition]) throws(FormatError) -> TaskData? {
    let names = layouts[0].files
    let splits = layouts.map(\.splits.asked)
    var found: (rows: RowSet, split: String)?
    for (i, split) in splits.enumerated() where found == nil && splits.firstIndex(of: split) == i {
      if let rows = try rows(names, layouts, split: split, isAsked: true) { found = (rows, split) }
    }
    guard let found else { return nil }
    let definition = found.rows.definition
    if let rows = definition.examples.rows {
      return try TaskData(questions: found.rows, source: .fixed(rows), leavesQuestionOut: definition.splits.test == nil, exampleNote: nil)
    }
    let splitsKnown = definition.splits
    let split = definition.examples.split ?? splitsKnown.training ?? splitsKnown.validation ?? splitsKnown.test ?? found.split
    if let rows = try rows(names, layouts, split: split, isAsked: split == found.split) {
      return try TaskData(
        questions: found.rows, source: .rows(rows), leavesQuestionOut: definition.examples.split == splitsKnown.test, exampleNote: nil)
    }
    // The harness stops here. A question is never among its own examples.
    return try TaskData(
      questions: found.rows, source: .rows(found.rows), leavesQuestionOut: true,
      exampleNote: "\(definition.name): \(folder.path ?? "") has no \(split) set, so examples are other questions of the same file")
  }

  /// The rows of a split; a file for several tasks may lack this one's, where another file has them.
  private func rows(_ names: [String], _ layouts: [TaskDefinition], split: String, isAsked: Bool) throws(FormatError) -> RowSet? {
    if let style = layouts[0].ladder { return try files.rows(of: style, layouts: layouts, areExamples: !isAsked) }
    for name in names {
      if let path = folder.find(name, split: split, isAsked: isAsked), let rows = try files.rows(at: path, named: name, layouts: layouts) {
        return rows
      }
    }
    for name in layouts[0].splitFiles[split] ?? [] {
      if let path = folder.find(splitFile: name), let rows = try files.rows(at: path, named: name, layouts: layouts) { return rows }
    }
    return nil
  }
}
