import JSON

/// A text with places that a row fills: "Question: {{question.strip()}}\nAnswer:", in the part of Jinja's language that
/// lm-evaluation-harness' task files use, with Python's meaning of every method. Nothing outside of the row can be reached from it.
public struct Template: Sendable {
  public let source: String
  private let nodes: [TemplateNode]

  public init(_ source: String) throws(TemplateError) {
    self.source = source
    var parser = try TemplateParser(source)
    nodes = try parser.template()
  }

  /// The text that a row makes of it.
  public func text(_ row: JSON.Object) throws(TemplateError) -> String { try text(TemplateScope(row: row)) }

  func text(_ scope: TemplateScope) throws(TemplateError) -> String {
    var evaluator = TemplateEvaluator(scope)
    return try evaluator.text(nodes)
  }

  /// The value itself where the template is one `{{expression}}` (after `{% set %}`), else the text.
  func value(_ scope: TemplateScope) throws(TemplateError) -> JSON {
    var evaluator = TemplateEvaluator(scope)
    var rest = nodes[...]
    while case .set(let name, let expression)? = rest.first, rest.count > 1 {
      try evaluator.set(name, expression)
      rest.removeFirst()
    }
    if rest.count == 1, case .value(let expression)? = rest.first { return try evaluator.value(expression) }
    return .string(try evaluator.text(nodes))
  }
}

/// What names in a template mean.
struct TemplateScope: Sendable {
  var row: JSON.Object
  /// Set by the template, or by the definition for all rows ("subject"); the former hide a field of the row, the latter do not.
  var locals: [String: JSON] = [:]
  var constants: [String: JSON] = [:]

  subscript(name: String) -> JSON? { locals[name] ?? row[name] ?? constants[name] }
}
