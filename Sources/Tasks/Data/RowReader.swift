import Evaluation
import Formats
import JSON

/// What the templates make of one row, and what is wrong with it.
struct RowReader {
  private let rows: RowSet
  /// nil for an example that the definition holds.
  private let index: Int?
  private let scope: TemplateScope
  let templates: QuestionTemplates
  var row: JSON.Object { scope.row }

  init(_ rows: RowSet, _ index: Int?, _ row: JSON.Object, templates: QuestionTemplates) {
    (self.rows, self.index, self.templates) = (rows, index, templates)
    scope = rows.scope(row)
  }

  func error(_ field: String, _ reason: String) -> FormatError {
    guard let index else { return FormatError(rows.definition.path, "\(rows.definition.name).fewshot_config.samples: \(field)", reason) }
    return rows.error(index, field, reason)
  }

  func value(_ value: RowValue) throws(FormatError) -> (value: JSON, isField: Bool) {
    try checkField(of: value)
    do throws(TemplateError) { return try value.value(scope) } catch { throw self.error(value.key, error) }
  }

  private func list(_ value: RowValue) throws(FormatError) -> [JSON] {
    try checkField(of: value)
    let list: JSON
    do throws(TemplateError) { list = try value.list(scope) } catch { throw self.error(value.key, error) }
    guard let elements = list.array else { throw error(name(value), "must be a list of choices, not \(list.kind)") }
    return elements
  }

  /// A key that names a field of the file's first row does not become a text where another row lacks that field.
  private func checkField(of value: RowValue) throws(FormatError) {
    let source = value.template.source
    guard let index, rows.names.contains(source), scope.row[source] == nil else { return }
    throw rows.error(index, value.key, TemplateError("is missing", missingField: source))
  }

  private func error(_ key: String, _ error: TemplateError) -> FormatError {
    guard let index else { return self.error(key, error.description) }
    return rows.error(index, key, error)
  }

  func text(_ value: RowValue) throws(FormatError) -> String { try self.value(value).value.pythonText }

  func question() throws(FormatError) -> String {
    guard let text = templates.text else { return "" }
    let value = try value(text).value
    guard !value.isNull else { throw error(name(text), "is null") }
    return value.pythonText
  }

  /// What an error calls a value: its field, or the key of the template.
  private func name(_ value: RowValue) -> String { scope.row[value.template.source] == nil ? value.key : value.template.source }

  func choices() throws(FormatError) -> [String] {
    let (texts, field): ([String], String)
    switch templates.choices {
    case nil: return []
    case .fixed(let choices): (texts, field) = (choices, "doc_to_choice")
    case .row(let source): (texts, field) = (try list(source).map(\.pythonText), name(source))
    case .each(let source, let element):
      var made: [String] = []
      for it in try list(source) {
        var scope = scope
        scope.locals["it"] = it
        do throws(TemplateError) { made.append(try element.text(scope)) } catch { throw self.error(name(source), error.description) }
      }
      (texts, field) = (made, name(source))
    }
    guard !texts.isEmpty else { throw error(field, "holds no choices") }
    if let empty = texts.firstIndex(of: "") { throw error(field, "choice \(empty + 1) is empty") }
    return texts
  }

  /// The right choices as the definition's target says them.
  func gold(of choices: [String]) throws(FormatError) -> [Int] {
    switch templates.target {
    case .fixed(let value): return try gold(of: choices, value, isField: true, named: "doc_to_target")
    case .row(let target):
      let (value, isField) = try value(target)
      return try gold(of: choices, value, isField: isField, named: name(target))
    }
  }

  func gold(of choices: [String], _ value: JSON) throws(FormatError) -> [Int] {
    try gold(of: choices, value, isField: false, named: "doc_to_text")
  }

  private func gold(of choices: [String], _ value: JSON, isField: Bool, named name: String) throws(FormatError) -> [Int] {
    switch value {
    case .array(let elements):
      guard !elements.isEmpty else { throw error(name, "names no right answer") }
      var gold: [Int] = []
      for element in elements { gold += try self.gold(of: choices, element, isField: isField, named: name) }
      return gold
    case .bool(let isTrue): return try gold(of: choices, .int(isTrue ? 1 : 0), isField: isField, named: name)
    case .string(let text):
      // A template's digits are a number, as in the harness; a field's may be a choice.
      let place = choices.firstIndex { PythonText.isSame($0, text) }
      if let place, isField || Int(text) == nil { return [place] }
      if let index = Int(text) { return try gold(of: choices, .int(index), isField: isField, named: name) }
      if let place { return [place] }
      // As pandas writes and reads true and false in CSV.
      if choices.count == 2, ["True", "TRUE", "true"].contains(text) { return [1] }
      if choices.count == 2, ["False", "FALSE", "false"].contains(text) { return [0] }
      throw error(
        name,
        text.isEmpty
          ? "is empty: this row does not say which answer is right" : "'\(text.prefix(60))' is none of the \(choices.count) choices")
    default:
      guard let index = value.int else { throw error(name, "must be the number of a choice or its text, not \(value.kind)") }
      guard choices.indices.contains(index) else {
        throw error(
          name,
          index == -1
            ? "is -1: this row does not say which answer is right" : "\(index) is no choice; there are \(choices.count), counted from 0")
      }
      return [index]
    }
  }

  /// The right answer as text.
  /// - Parameter choices: what a number counts; nil where the target is a text.
  func answer(choices: [String]?) throws(FormatError) -> String {
    if let choices {
      let (value, isField, name) = try target()
      // A text is taken as it is, so that an answer in words may stand where letters are the choices.
      if case .string(let text) = value, !text.isEmpty,
        Int(text) == nil || isField && choices.contains(where: { PythonText.isSame($0, text) })
      {
        return text
      }
      return choices[try gold(of: choices, value, isField: isField, named: name)[0]]
    }
    return try answers()[0]
  }

  /// All right answers.
  func answers() throws(FormatError) -> [String] {
    let (value, _, name) = try target()
    guard !value.isNull else { throw error(name, "is null: there is no answer") }
    if templates.choices != nil, rows.definition.output == .generate {
      let choices = try choices()
      return try gold(of: choices, value, isField: false, named: name).map { choices[$0] }
    }
    let answers = value.array.map { $0.map(\.pythonText) } ?? [value.pythonText]
    guard let first = answers.first, !first.isEmpty else { throw error(name, "is empty: there is no answer") }
    return answers
  }

  /// The right answer as the definition gives it: a number, a text or a list.
  func target() throws(FormatError) -> (value: JSON, isField: Bool, name: String) {
    switch templates.target {
    case .fixed(let value): return (value, true, "doc_to_target")
    case .row(let target):
      let (value, isField) = try value(target)
      return (value, isField, name(target))
    }
  }

  /// Whether neither text has white space where they meet.
  static func needsDelimiter(_ text: String, _ next: String) -> Bool {
    guard let last = text.unicodeScalars.last, let first = next.unicodeScalars.first else { return false }
    return !last.isPythonSpace && !first.isPythonSpace
  }
}
