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
  func value(_ scope: TemplateScope) throws(TemplateError) -> JSON { try value(of: nodes[...], scope) }

  /// The same for a list, which white space around the expression does not turn into a text; a text that is a list as Python writes it is one,
  /// as the harness has it.
  func list(_ scope: TemplateScope) throws(TemplateError) -> JSON {
    var rest = nodes[...]
    func isSpace(_ node: TemplateNode?) -> Bool {
      if case .text(let text)? = node { text.unicodeScalars.allSatisfy(\.isPythonSpace) } else { false }
    }
    while isSpace(rest.first) { rest.removeFirst() }
    while isSpace(rest.last) { rest.removeLast() }
    let value = try value(of: rest, scope)
    guard let text = value.string, case let literal = PythonText.stripped(text, nil), literal.utf8.first == UInt8(ascii: "[") else {
      return value
    }
    do throws(TemplateError) {
      let parsed = try Template("{{" + literal + "}}")
      guard parsed.nodes.count == 1, case .value(let expression)? = parsed.nodes.first else { throw TemplateError("more than one value") }
      guard expression.isLiteral else { throw TemplateError("it holds more than texts and numbers") }
      return try parsed.value(TemplateScope(row: [:]))
    } catch {
      throw TemplateError("a text that begins with '[' and is no list as Python writes one: \(error.reason)")
    }
  }

  private func value(of nodes: ArraySlice<TemplateNode>, _ scope: TemplateScope) throws(TemplateError) -> JSON {
    var evaluator = TemplateEvaluator(scope)
    var rest = nodes
    while case .set(let name, let expression)? = rest.first, rest.count > 1 {
      try evaluator.set(name, expression)
      rest.removeFirst()
    }
    guard rest.count == 1, case .value(let expression)? = rest.first else { return .string(try evaluator.text(Array(nodes))) }
    let value = try evaluator.value(expression)
    // Whoever takes it may go through all of it.
    try evaluator.measure(value)
    return value
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
