import Formats
import JSON

/// Rows of one task in a file, and how this file's rows are read.
struct RowSet: Sendable {
  let file: RowFile
  let definition: TaskDefinition
  /// Fields of the file's first row: a key of the definition that is one of these names a field.
  let names: Set<String>
  /// Which of the file's rows; nil for all.
  private let chosen: [Int]?

  init(_ file: RowFile, _ definition: TaskDefinition, names: [String], chosen: [Int]? = nil) {
    (self.file, self.definition, self.names, self.chosen) = (file, definition, Set(names), chosen)
  }

  var count: Int { chosen?.count ?? file.count }

  func row(_ index: Int) throws(FormatError) -> JSON.Object { try file.row(chosen?[index] ?? index) }

  /// "line 7"
  func place(of index: Int) -> String { file.place(of: chosen?[index] ?? index) }

  func scope(_ row: JSON.Object) -> TemplateScope { TemplateScope(row: row, constants: definition.constants) }

  /// What is wrong with a row, where.
  func error(_ index: Int, _ field: String?, _ reason: String) -> FormatError {
    if let labels = file.labels, labels.field == field {
      return FormatError(labels.path, labels.place(of: chosen?[index] ?? index), reason)
    }
    return FormatError(file.path, place(of: index) + (field.map { ": \($0)" } ?? ""), reason)
  }

  func error(_ index: Int, _ key: String, _ error: TemplateError) -> FormatError {
    if let field = error.missingField { return self.error(index, field, "is missing; \(key) of \(definition.name) needs it") }
    return self.error(index, nil, "\(key) of \(definition.name): \(error.reason)")
  }
}

/// Data files that are open, each once: the 57 subjects of MMLU may lie in one.
final class OpenFiles {
  private struct Key: Hashable {
    let path: String
    let headers: CSVRows.Headers
  }
  private var files: [Key: RowFile] = [:]
  /// For some fields of a file, the rows that have some values in them.
  private var groups: [Key: [[String]: [[String]: [Int]]]] = [:]

  func open(_ path: String, for layouts: [TaskDefinition]) throws(FormatError) -> RowFile {
    let key = key(path, layouts)
    if let file = files[key] { return file }
    let file = try RowFile(path: path, headers: key.headers)
    files[key] = file
    return file
  }

  /// The rows of a task that is made, not read: its questions, or the examples for them.
  func rows(of style: ArithmeticLadder.Style, layouts: [TaskDefinition], areExamples: Bool) throws(FormatError) -> RowSet? {
    let path = RowFile.path(of: style, examples: areExamples)
    let key = key(path, layouts)
    if files[key] == nil { files[key] = RowFile(ArithmeticLadder(style: style), examples: areExamples) }
    return try rows(at: path, named: "", layouts: layouts)
  }

  private func key(_ path: String, _ layouts: [TaskDefinition]) -> Key {
    let fields = layouts.filter { $0.columns.isEmpty }.map(\.fields) + layouts.filter { !$0.columns.isEmpty }.map(\.columns)
    return Key(path: path, headers: CSVRows.Headers(fields: fields, columns: layouts.map(\.columns).filter { !$0.isEmpty }))
  }

  /// The rows of a task in a file: the layout whose fields the first row has, and only rows that fulfil its condition.
  /// - Parameter name: what the file is called in the definition; one with the condition's values in it need not have its fields
  /// - Returns: nil where no row does.
  func rows(at path: String, named name: String, layouts: [TaskDefinition]) throws(FormatError) -> RowSet? {
    var file = try open(path, for: layouts)
    var first = try file.row(0)
    guard let layout = layouts.first(where: { $0.fields.allSatisfy { OpenFiles.value($0, in: first) != nil } }) else {
      throw FormatError(
        path, file.place(of: 0),
        "has the fields \(first.names.prefix(12).joined(separator: ", ")); \(layouts[0].name) takes rows with "
          + layouts.map { $0.fields.joined(separator: ", ") + ($0.labelsFile.map { " (\($0.field) in *\($0.suffix))" } ?? "") }
          .joined(separator: "; or "))
    }
    if let labels = layout.labelsFile {
      file = try labelled(file, labels)
      first = try file.row(0)
    }
    let condition = layout.condition.filter { OpenFiles.value($0.field, in: first) != nil }
    if let missing = layout.condition.first(where: { OpenFiles.value($0.field, in: first) == nil }),
      !layout.condition.allSatisfy({ OpenFiles.says($0.value, in: name) })
    {
      throw FormatError(
        path, file.place(of: 0),
        "has no field '\(missing.field)', by which \(layout.name) chooses its rows; only a file named after \(missing.value) needs none")
    }
    guard !condition.isEmpty else { return RowSet(file, layout, names: first.names) }
    guard let chosen = try group(file, key(path, layouts), by: condition.map(\.field))[condition.map(\.value)] else { return nil }
    return RowSet(file, layout, names: first.names, chosen: chosen)
  }

  private func labelled(_ file: RowFile, _ labels: TaskDefinition.LabelsFile) throws(FormatError) -> RowFile {
    let path = String(file.path[..<(file.path.lastIndex(of: ".") ?? file.path.endIndex)]) + labels.suffix
    guard DataFolder.isFile(path) else { throw FormatError(path, nil, "is missing; it has the answers to \(file.path)") }
    return RowFile(file, try LabelRows(path: path, field: labels.field, count: file.count))
  }

  private func group(_ file: RowFile, _ key: Key, by fields: [String]) throws(FormatError) -> [[String]: [Int]] {
    if let group = groups[key]?[fields] { return group }
    var group: [[String]: [Int]] = [:]
    for index in 0..<file.count {
      let row = try file.row(index)
      var values: [String] = []
      for field in fields {
        guard let value = OpenFiles.value(field, in: row) else {
          throw FormatError(file.path, "\(file.place(of: index)): \(field)", "is missing")
        }
        values.append(value.pythonText)
      }
      group[values, default: []].append(index)
    }
    groups[key, default: [:]][fields] = group
    return group
  }

  /// Whether a value is a word of a file's name, or several in a row: "anatomy" of "mmlu/anatomy" and "mmlu_anatomy".
  private static func says(_ value: String, in name: String) -> Bool {
    func words(_ text: String) -> String { String(text.map { "/_- .".contains($0) ? "/" : $0 }) }
    return !value.isEmpty && "/\(words(name))/".contains("/\(words(value))/")
  }

  /// A dotted field.
  private static func value(_ field: String, in row: JSON.Object) -> JSON? {
    if let value = row[field] { return value }
    var value: JSON? = .object(row)
    for name in field.split(separator: ".") { value = value?[String(name)] }
    return value
  }
}
