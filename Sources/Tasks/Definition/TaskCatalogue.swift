import CTasks
import Formats
import Glibc
import JSON
import Spelling

/// The tasks that can be named: those inside of the program, and a user's files.
public struct TaskCatalogue: Sendable {
  /// Layouts of each task, by name.
  private var tasks: [String: [TaskDefinition]] = [:]
  private var groups: [String: TaskGroup] = [:]
  /// The files that say so.
  private var groupPaths: [String: String] = [:]
  /// In the order of the definitions.
  public private(set) var names: [String] = []
  public private(set) var groupNames: [String] = []
  /// Of rows in hoof's neutral form, for any file.
  private var neutral: JSON.Object = [:]

  private static let largestFile = 4 << 20

  /// - Parameter userFiles: definitions as JSON: one, or a list of them; they replace built-in ones of the same name.
  public init(userFiles: [String] = []) throws(FormatError) {
    for index in 0..<hoof_task_file_count {
      let file = hoof_task_file_at(index).pointee
      let name = String(cString: file.name)
      let bytes = Array(UnsafeBufferPointer(start: file.bytes, count: file.size))
      if name == "neutral" {
        neutral = try TaskCatalogue.entries(bytes, path: "built-in \(name)")[0]
      } else {
        try add(bytes, path: "built-in \(name)")
      }
    }
    for path in userFiles { try add(try readFile(path, limit: TaskCatalogue.largestFile), path: path) }
    try checkGroups()
  }

  /// Every member exists, and no group is inside of itself.
  private func checkGroups() throws(FormatError) {
    for name in groupNames {
      let path = groupPaths[name] ?? name
      for member in groups[name]!.members where tasks[member] == nil && groups[member] == nil {
        throw FormatError(path, "task", "'\(member)' is no task\(NearestName.hint(for: member, in: names))")
      }
      var inside = groups[name]!.members.filter { groups[$0] != nil }
      var seen: Set<String> = []
      while let inner = inside.popLast() {
        guard inner != name else { throw FormatError(path, "task", "'\(name)' holds itself") }
        if seen.insert(inner).inserted { inside += groups[inner]?.members.filter { groups[$0] != nil } ?? [] }
      }
    }
  }

  static func entries(_ bytes: [UInt8], path: String) throws(FormatError) -> [JSON.Object] {
    let json: JSON
    do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw FormatError(path, nil, error.description) }
    let entries = json.array ?? [json]
    let objects = entries.compactMap(\.object)
    guard objects.count == entries.count, !objects.isEmpty else {
      throw FormatError(path, nil, "must be a definition or a list of definitions")
    }
    return objects
  }

  private mutating func add(_ bytes: [UInt8], path: String) throws(FormatError) {
    for object in try TaskCatalogue.entries(bytes, path: path) {
      if object["group"] != nil {
        let group = try TaskGroup(Fields(path: path, object: object))
        groupPaths[group.name] = path
        // A name stands for one thing: what comes later.
        if tasks.removeValue(forKey: group.name) != nil { names.removeAll { $0 == group.name } }
        if groups.updateValue(group, forKey: group.name) == nil { groupNames.append(group.name) }
        continue
      }
      for object in try Repetition.expanded(object, path: path) {
        let layouts = try TaskDefinition.layouts(of: object, path: path)
        if groups.removeValue(forKey: layouts[0].name) != nil { groupNames.removeAll { $0 == layouts[0].name } }
        if tasks.updateValue(layouts, forKey: layouts[0].name) == nil { names.append(layouts[0].name) }
      }
    }
  }

  func layouts(_ name: String) -> [TaskDefinition]? { tasks[name] }
  func group(_ name: String) -> TaskGroup? { groups[name] }

  /// Tasks whose tag is `tag`.
  func tagged(_ tag: String) -> [String] { names.filter { tasks[$0]?.first?.tags.contains(tag) ?? false } }

  /// Everything that can stand in --tasks.
  var selectable: [String] { groupNames + names + Set(tasks.values.flatMap { $0[0].tags }).sorted() }

  /// The layouts of a file in neutral form, as a task named after it.
  func neutralLayouts(_ name: String) throws(FormatError) -> [TaskDefinition] {
    var object = neutral
    object["task"] = .string(name)
    return try TaskDefinition.layouts(of: object, path: "built-in neutral")
  }

  /// Names that a pattern with '*' and '?' stands for.
  func matching(_ pattern: String) -> [String] { (groupNames + names).filter { fnmatch(pattern, $0, 0) == 0 } }
}

extension TaskGroup {
  /// `{"group": "mmlu_stem", "group_alias": "stem", "task": […], "aggregate_metric_list": […], "metadata": {"version": 2}}`
  init(_ fields: Fields) throws(FormatError) {
    try fields.refuseUnknown(besides: ["group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"])
    guard let name = try fields.string("group"), !name.isEmpty else { throw fields.error("group", "must be the group's name") }
    guard let members = try fields.strings("task"), !members.isEmpty else {
      throw fields.error("task", "must list the group's tasks by name")
    }
    var metrics: [Metric] = []
    for entry in try fields.list("aggregate_metric_list") ?? [] {
      try entry.refuseUnknown(besides: ["metric", "weight_by_size", "aggregation", "filter_list"])
      guard let metric = try entry.string("metric") else { throw entry.error("metric", "is missing") }
      metrics.append(Metric(name: metric, isWeightedBySize: try entry.bool("weight_by_size") ?? true))
    }
    let version = try fields.fields("metadata")?["version"]?.pythonText ?? ""
    self.init(name: name, alias: try fields.string("group_alias") ?? name, version: version, members: members, metrics: metrics)
  }
}

/// A definition that stands for several tasks: `"each": {"subject": ["anatomy", …]}` makes one of it for each value, with `{{subject}}` filled in in
/// its names and known to its templates.
enum Repetition {
  private static let mostValues = 10_000
  /// Of all definitions that one stands for: each is read by itself.
  private static let mostBytes = 64 << 20

  static func expanded(_ object: JSON.Object, path: String) throws(FormatError) -> [JSON.Object] {
    guard let each = object["each"] else { return [object] }
    guard let lists = each.object, lists.count == 1, let variable = lists.names.first,
      let values = lists[variable]?.array?.compactMap(\.string),
      values.count == lists[variable]?.array?.count
    else { throw FormatError(path, "each", "must be one name with a list of texts") }
    guard values.count <= mostValues else {
      throw FormatError(path, "each", "has \(values.count) values; at most \(mostValues) are taken")
    }
    var rest = object
    rest["each"] = nil
    let size = JSON.object(rest).text().utf8.count
    guard size * values.count <= mostBytes else {
      throw FormatError(
        path, "each", "makes \(values.count) definitions of \(size) bytes each; at most \(mostBytes >> 20) MiB together are taken")
    }
    var expanded: [JSON.Object] = []
    for value in values {
      var object = rest
      for key in ["task", "task_alias", "files", "split_files", "where"] {
        if let old = object[key] { object[key] = try filled(old, variable, value, path) }
      }
      var constants = object["constants"]?.object ?? [:]
      constants[variable] = .string(value)
      object["constants"] = .object(constants)
      expanded.append(object)
    }
    return expanded
  }

  private static func filled(_ json: JSON, _ variable: String, _ value: String, _ path: String) throws(FormatError) -> JSON {
    switch json {
    case .string(let text):
      do throws(TemplateError) { return .string(try Template(text).text([variable: .string(value)])) } catch {
        throw FormatError(path, "each", error.description)
      }
    case .array(let elements):
      var out: [JSON] = []
      for element in elements { out.append(try filled(element, variable, value, path)) }
      return .array(out)
    case .object(let object):
      var out = JSON.Object()
      for (name, element) in object.members { out[name] = try filled(element, variable, value, path) }
      return .object(out)
    default: return json
    }
  }
}
