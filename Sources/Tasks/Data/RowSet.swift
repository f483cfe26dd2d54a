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
    FormatError(file.path, place(of: index) + (field.map { ": \($0)" } ?? ""), reason)
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
  private var groups: [Key: [String: [String: [Int]]]] = [:]

  func open(_ path: String, for layouts: [TaskDefinition]) throws(FormatError) -> RowFile {
    let key = key(path, layouts)
    if let file = files[key] { return file }
    let file = try RowFile(path: path, headers: key.headers)
    files[key] = file
    return file
  }

  /// The rows of a task that is made, not read: its questions, or the examples for them.
  func rows(of style: ArithmeticLadder.Style, layouts: [TaskDefinition], areExamples: Bool) throws(FormatError) -> RowSet? {
    let path = "arithmetic ladder, \(style.rawValue)\(areExamples ? ", examples" : "")"
    let key = key(path, layouts)
    if files[key] == nil { files[key] = RowFile(ArithmeticLadder(style: style), examples: areExamples) }
    return try rows(at: path, layouts: layouts)
  }

  private func key(_ path: String, _ layouts: [TaskDefinition]) -> Key {
    let fields = layouts.filter { $0.columns.isEmpty }.map(\.fields) + layouts.filter { !$0.columns.isEmpty }.map(\.columns)
    return Key(path: path, headers: CSVRows.Headers(fields: fields, columns: layouts.map(\.columns).filter { !$0.isEmpty }))
  }

  /// The rows of a task in a file: the layout whose fields the first row has, and only rows that fulfil its condition.
  /// - Returns: nil where no row does.
  func rows(at path: String, layouts: [TaskDefinition]) throws(FormatError) -> RowSet? {
    let file = try open(path, for: layouts)
    let first = try file.row(0)
    guard let layout = layouts.first(where: { $0.fields.allSatisfy { OpenFiles.value($0, in: first) != nil } }) else {
      throw FormatError(
        path, file.place(of: 0),
        "has the fields \(first.names.prefix(12).joined(separator: ", ")); \(layouts[0].name) takes rows with "
          + layouts.map { $0.fields.joined(separator: ", ") }.joined(separator: "; or "))
    }
    // A file of its own for each task need not say whose it is.
    guard let condition = layout.condition.first, first[condition.field] != nil else { return RowSet(file, layout, names: first.names) }
    guard let chosen = try group(file, key(path, layouts), by: condition.field)[condition.value] else { return nil }
    return RowSet(file, layout, names: first.names, chosen: chosen)
  }

  private func group(_ file: RowFile, _ key: Key, by field: String) throws(FormatError) -> [String: [Int]] {
    if let group = groups[key]?[field] { return group }
    var group: [String: [Int]] = [:]
    for index in 0..<file.count {
      guard let value = try file.row(index)[field] else { throw FormatError(file.path, "\(file.place(of: index)): \(field)", "is missing") }
      group[value.pythonText, default: []].append(index)
    }
    groups[key, default: [:]][field] = group
    return group
  }

  /// A dotted field.
  private static func value(_ field: String, in row: JSON.Object) -> JSON? {
    if let value = row[field] { return value }
    var value: JSON? = .object(row)
    for name in field.split(separator: ".") { value = value?[String(name)] }
    return value
  }
}
