import Evaluation
import JSON

/// What stands between `{{` and `}}`: the part of Jinja's expressions that benchmark definitions use.
indirect enum TemplateExpression: Sendable {
  case literal(JSON)
  case name(String)
  case member(TemplateExpression, String)
  case element(TemplateExpression, TemplateExpression)
  case slice(TemplateExpression, from: TemplateExpression?, to: TemplateExpression?)
  case list([TemplateExpression])
  case dictionary([Pair])
  case minus(TemplateExpression)
  case not(TemplateExpression)
  case binary(Operator, TemplateExpression, TemplateExpression)
  /// Two comparisons or more in a row.
  case chain(TemplateExpression, [Link])
  case conditional(TemplateExpression, if: TemplateExpression, else: TemplateExpression?)
  case method(TemplateExpression, String, Arguments)
  case filter(TemplateExpression, String, Arguments)
  case test(TemplateExpression, String, isNegated: Bool)

  struct Pair: Sendable {
    let key: TemplateExpression
    let value: TemplateExpression
  }

  struct Link: Sendable {
    let comparison: Operator
    let operand: TemplateExpression
  }

  struct Arguments: Sendable {
    var values: [TemplateExpression] = []
    var named: [(name: String, value: TemplateExpression)] = []
    /// Of `regex_replace` with a fixed expression: compiled once.
    var pattern: TextPattern?
  }

  enum Operator: String, Sendable {
    case and, or, equal = "==", unequal = "!=", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
    case contains = "in", containsNot = "not in", plus = "+", minus = "-", joined = "~", times = "*", divided = "/"
    case wholeDivided = "//", remainder = "%"
  }

  /// Whether it stands for one value whatever the row.
  var isLiteral: Bool {
    switch self {
    case .literal: true
    case .minus(let operand): operand.isLiteral
    case .list(let elements): elements.allSatisfy(\.isLiteral)
    case .dictionary(let pairs): pairs.allSatisfy { $0.key.isLiteral && $0.value.isLiteral }
    default: false
    }
  }
}

/// A piece of a template.
indirect enum TemplateNode: Sendable {
  case text(String)
  case value(TemplateExpression)
  case set(String, TemplateExpression)
  case branch([Case], else: [TemplateNode])
  case loop(String, TemplateExpression, [TemplateNode])

  struct Case: Sendable {
    let condition: TemplateExpression
    let body: [TemplateNode]
  }
}
