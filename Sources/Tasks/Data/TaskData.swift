import Formats
import JSON

/// A task with its data opened. Rows stay in the mapped file and are parsed when asked for: memory does not grow with their number.
public final class TaskData: Sendable {
  public let definition: TaskDefinition
  /// Questions.
  public let count: Int
  /// Files it reads.
  public let paths: [String]
  /// SHA-256 over everything that prompts are made of: the definitions as they are used for questions and for examples, and the bytes of the files.
  public let fingerprint: String
  /// Where examples come from elsewhere than the definition says; to be told to who asks for examples.
  public let exampleNote: String?
  /// Files that hold a part of their data set only; to be told to who asks for the task.
  public let notes: [String]
  /// Whether choices stand in the context and one text is scored behind each (winogrande).
  let hasSeveralContexts: Bool
  let questions: RowSet
  let source: ExampleSource

  /// Where examples come from.
  enum ExampleSource: Sendable {
    case rows(RowSet)
    /// Written in the definition.
    case fixed([JSON.Object])
  }
  /// Whether the question itself is taken out of what is drawn: `fewshot_split == test_split` in the harness.
  let leavesQuestionOut: Bool

  init(questions: RowSet, source: ExampleSource, leavesQuestionOut: Bool, exampleNote: String?) throws(FormatError) {
    (self.questions, self.source, self.leavesQuestionOut, self.exampleNote) = (questions, source, leavesQuestionOut, exampleNote)
    definition = questions.definition
    count = questions.count
    var hash = SHA256()
    var parts = [questions]
    // Examples may lie in another file, in another layout.
    if case .rows(let rows) = source { parts.append(rows) }
    for rows in parts {
      hash.update(rows.definition.source.text())
      hash.update(rows.file.digest)
      // Whether a CSV's first line is a header, other layouts say as well.
      hash.update("\(rows.count) \(rows.names.sorted())")
    }
    hash.update("\(leavesQuestionOut)")
    fingerprint = hash.hexDigest()
    let files = parts.count == 2 && parts[0].file.path == parts[1].file.path ? [parts[0].file] : parts.map(\.file)
    paths = files.flatMap(\.paths)
    notes = files.compactMap(\.note)
    hasSeveralContexts = try TaskData.hasSeveralContexts(questions)
  }

  /// The row of question `index`.
  public func row(_ index: Int) throws(FormatError) -> JSON { .object(try questions.row(index)) }

  /// Where question `index` stands, for messages: "hellaswag.jsonl: line 7".
  public func place(of index: Int) -> String { "\(questions.file.path): \(questions.place(of: index))" }

  /// Rows that examples are chosen from.
  public var exampleCount: Int {
    switch source {
    case .rows(let rows): rows.count
    case .fixed(let rows): rows.count
    }
  }

  func example(_ index: Int) throws(FormatError) -> RowReader {
    switch source {
    case .rows(let rows): try RowReader(rows, index, rows.row(index), templates: rows.definition.example)
    case .fixed(let rows): RowReader(questions, nil, rows[index], templates: definition.example)
    }
  }

  /// Where they lie, for messages.
  var examplePath: String {
    switch source {
    case .rows(let rows): rows.file.path
    case .fixed: definition.path
    }
  }

  /// doc_to_text gives a number: the right one of the choices, which are contexts.
  private static func hasSeveralContexts(_ questions: RowSet) throws(FormatError) -> Bool {
    let definition = questions.definition
    guard definition.output == .multipleChoice, let text = definition.prompt.text else { return false }
    let scope = questions.scope(try questions.row(0))
    do throws(TemplateError) {
      switch try text.value(scope).value {
      case .int, .bool: return true
      default: return false
      }
    } catch { throw questions.error(0, text.key, error) }
  }
}
