import Evaluation
import JSON

/// What a task is: how a row of data becomes a question, and how answers are scored. Made of JSON with lm-evaluation-harness' key names.
public struct TaskDefinition: Sendable {
  public enum Output: String, Sendable, Equatable, CaseIterable {
    case multipleChoice = "multiple_choice"
    case logLikelihood = "loglikelihood"
    case rolling = "loglikelihood_rolling"
    case generate = "generate_until"
  }

  public struct Metric: Sendable, Equatable {
    public var name: String
    public var aggregation: Aggregation
    public var isHigherBetter: Bool
  }

  /// "hellaswag"
  public var name: String
  /// What tables call it.
  public var alias: String
  public var version: String
  public var output: Output
  /// The main one first.
  public var metrics: [Metric]
  /// num_fewshot: examples in front of each question where nobody says otherwise; nil for 0.
  public var shots: Int?
  /// generate_until: texts that end an answer.
  public var until: [String]
  /// generate_until: tokens that an answer has at most.
  public var maxNewTokens: Int
  /// What answers go through before they are compared; one, "none", where the definition has no list.
  public var filters: [AnswerFilter]
  public var exactMatch: ExactMatchRules
  /// The definition as it is used: the layout chosen, its keys in place.
  public var source: JSON

  /// Names that select it together with others.
  var tags: [String]
  /// Which file says so, for messages.
  var path: String
  /// File names that are looked for, without split and ending.
  var files: [String]
  /// By split, names of files that do not follow from the data set's: without ending, or texts with ".txt".
  var splitFiles: [String: [String]]
  /// Its questions are made and not read from files.
  var ladder: ArithmeticLadder.Style?
  /// What a row must have for this layout, dotted.
  var fields: [String]
  /// Of a CSV without a header.
  var columns: [String]
  /// Where a row's answer stands in a file beside that of the rows.
  var labelsFile: LabelsFile?
  /// What a row's fields must be, where a file holds several tasks.
  var condition: [(field: String, value: String)]
  var constants: [String: JSON]
  var prompt: QuestionTemplates
  /// The same for examples.
  var example: QuestionTemplates
  var description: RowValue?
  var labels: RowValue?
  var counted: RowValue?
  var splits: Splits
  var examples: Examples

  /// Names of the parts of the data set.
  struct Splits: Sendable, Equatable {
    var training: String?
    var validation: String?
    var test: String?

    /// What is asked: the test set, or the validation set where there is none.
    var asked: String { test ?? validation ?? training ?? "test" }
  }

  /// A file named like that of the rows, with `suffix` for its ending, that has a whole number for each row: the row's `field`.
  struct LabelsFile: Sendable, Equatable {
    var suffix: String
    var field: String
  }

  /// Where examples come from and how they are chosen.
  struct Examples: Sendable {
    enum Sampler: String { case random = "default", first = "first_n" }
    var sampler = Sampler.random
    /// nil where the definition names none.
    var split: String?
    var rows: [JSON.Object]?
  }
}

/// The texts of a question.
struct QuestionTemplates: Sendable {
  var text: RowValue?
  var choices: Choices?
  var target: Target
  /// Between a question and its answer.
  var targetDelimiter: String
  /// Behind an example.
  var exampleDelimiter: String
  /// What an answer begins with (gen_prefix).
  var answerPrefix: RowValue?

  enum Choices: Sendable {
    case fixed([String])
    case row(RowValue)
    /// For each element of a list, called "it", a text.
    case each(RowValue, RowValue)
  }

  enum Target: Sendable {
    case fixed(JSON)
    case row(RowValue)
  }
}

/// A key such as doc_to_text: the name of a field, which stands for its value, or a template.
struct RowValue: Sendable {
  /// "doc_to_text"
  let key: String
  let template: Template

  init(_ key: String, _ source: String) throws(TemplateError) {
    self.key = key
    template = try Template(source)
  }

  /// - Returns: the value, and whether it is a field as it stands.
  func value(_ scope: TemplateScope) throws(TemplateError) -> (value: JSON, isField: Bool) {
    if let value = scope.row[template.source] { return (value, true) }
    return (try template.value(scope), false)
  }

  /// The same where a list is wanted.
  func list(_ scope: TemplateScope) throws(TemplateError) -> JSON {
    if let value = scope.row[template.source] { return value }
    return try template.list(scope)
  }

  func text(_ scope: TemplateScope) throws(TemplateError) -> String { try value(scope).value.pythonText }
}

/// How a generated answer is compared with the right one: `exact_match` with the harness' options.
public struct ExactMatchRules: Sendable {
  public var ignoresCase = false
  public var ignoresPunctuation = false
  public var ignoresNumbers = false
  /// Taken out of both texts first, in this order.
  public var ignored: [TextPattern] = []
}
