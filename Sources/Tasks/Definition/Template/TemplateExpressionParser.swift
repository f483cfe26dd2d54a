import Evaluation
import JSON
import Spelling

/// Recursive descent over the tokens of one expression, with Jinja's precedences.
struct TemplateExpressionParser {
  private let tokens: [TemplateToken]
  private var at = 0
  private var depth = 0
  private var nodes = 0

  private static let deepest = 24
  /// Chains of operators nest the tree without nesting the parser.
  private static let largest = 400

  init(_ tokens: [TemplateToken]) { self.tokens = tokens }

  mutating func whole() throws(TemplateError) -> TemplateExpression {
    let expression = try expression()
    guard at == tokens.count else { throw TemplateError("more behind the end of an expression: \(shown)") }
    return expression
  }

  private var next: TemplateToken? { at < tokens.count ? tokens[at] : nil }

  private var shown: String {
    switch next {
    case nil: "nothing"
    case .name(let text), .symbol(let text): "'\(text)'"
    case .string(let text): "the string '\(text.prefix(20))'"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    }
  }

  private mutating func take(_ symbol: String) -> Bool {
    guard next == .symbol(symbol) || next == .name(symbol) else { return false }
    at += 1
    return true
  }

  private mutating func need(_ symbol: String) throws(TemplateError) {
    guard take(symbol) else { throw TemplateError("expected '\(symbol)', found \(shown)") }
  }

  private mutating func word() throws(TemplateError) -> String {
    guard case .name(let name)? = next else { throw TemplateError("expected a name, found \(shown)") }
    at += 1
    return name
  }

  private mutating func made(_ expression: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    nodes += 1
    guard nodes <= TemplateExpressionParser.largest else {
      throw TemplateError("an expression of more than \(TemplateExpressionParser.largest) parts")
    }
    return expression
  }

  private mutating func expression() throws(TemplateError) -> TemplateExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= TemplateExpressionParser.deepest else { throw TemplateError("nested deeper than \(TemplateExpressionParser.deepest)") }
    var value = try disjunction()
    while take("if") {
      let condition = try disjunction()
      value = try made(.conditional(value, if: condition, else: take("else") ? try expression() : nil))
    }
    return value
  }

  private mutating func disjunction() throws(TemplateError) -> TemplateExpression {
    var left = try conjunction()
    while take("or") { left = try made(.binary(.or, left, try conjunction())) }
    return left
  }

  private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
    var left = try negation()
    while take("and") { left = try made(.binary(.and, left, try negation())) }
    return left
  }

  private mutating func negation() throws(TemplateError) -> TemplateExpression {
    var count = 0
    while take("not") { count += 1 }
    let value = try comparison()
    return count == 0 ? value : try made(.not(count % 2 == 1 ? value : made(.not(value))))
  }

  private mutating func comparison() throws(TemplateError) -> TemplateExpression {
    let first = try sum()
    var links: [TemplateExpression.Link] = []
    while true {
      var comparison: TemplateExpression.Operator?
      for symbol in ["==", "!=", "<=", ">=", "<", ">", "in"] where comparison == nil && take(symbol) {
        comparison = .init(rawValue: symbol)
      }
      if comparison == nil, next == .name("not"), at + 1 < tokens.count, tokens[at + 1] == .name("in") {
        at += 2
        comparison = .containsNot
      }
      guard let comparison else { break }
      links.append(TemplateExpression.Link(comparison: comparison, operand: try sum()))
    }
    guard let link = links.first else { return first }
    return try made(links.count == 1 ? .binary(link.comparison, first, link.operand) : .chain(first, links))
  }

  private mutating func sum() throws(TemplateError) -> TemplateExpression {
    var left = try joined()
    while true {
      if take("+") {
        left = try made(.binary(.plus, left, try joined()))
      } else if take("-") {
        left = try made(.binary(.minus, left, try joined()))
      } else {
        return left
      }
    }
  }

  private mutating func joined() throws(TemplateError) -> TemplateExpression {
    var left = try product()
    while take("~") { left = try made(.binary(.joined, left, try product())) }
    return left
  }

  private mutating func product() throws(TemplateError) -> TemplateExpression {
    var left = try signed()
    while true {
      var factor: TemplateExpression.Operator?
      for symbol in ["*", "//", "/", "%"] where factor == nil && take(symbol) { factor = .init(rawValue: symbol) }
      guard let factor else { return left }
      left = try made(.binary(factor, left, try signed()))
    }
  }

  private mutating func signed() throws(TemplateError) -> TemplateExpression {
    var isNegative = false
    while next == .symbol("-") || next == .symbol("+") {
      if next == .symbol("-") { isNegative.toggle() }
      at += 1
    }
    var value = try followed(try primary())
    if isNegative { value = try made(.minus(value)) }
    return try filtered(value)
  }

  private mutating func primary() throws(TemplateError) -> TemplateExpression {
    guard let token = next else { throw TemplateError("an expression ends too early") }
    at += 1
    switch token {
    case .string(var text):
      while case .string(let more)? = next {
        text += more
        at += 1
      }
      return try made(.literal(.string(text)))
    case .int(let value): return try made(.literal(.int(value)))
    case .double(let value): return try made(.literal(.double(value)))
    case .name(let name):
      switch name {
      case "true", "True": return try made(.literal(true))
      case "false", "False": return try made(.literal(false))
      case "none", "None": return try made(.literal(nil))
      case "if", "else", "and", "or", "not", "in", "is": throw TemplateError("expected a value, found '\(name)'")
      default: return try made(.name(name))
      }
    case .symbol("("):
      let first = try expression()
      if take(")") { return first }
      var elements = [first]
      while take(","), next != .symbol(")") { elements.append(try expression()) }
      try need(")")
      return try made(.list(elements))
    case .symbol("["):
      var elements: [TemplateExpression] = []
      while next != .symbol("]") {
        elements.append(try expression())
        if !take(",") { break }
      }
      try need("]")
      return try made(.list(elements))
    case .symbol("{"):
      var pairs: [TemplateExpression.Pair] = []
      while next != .symbol("}") {
        let key = try expression()
        try need(":")
        pairs.append(TemplateExpression.Pair(key: key, value: try expression()))
        if !take(",") { break }
      }
      try need("}")
      return try made(.dictionary(pairs))
    case .symbol(let symbol): throw TemplateError("expected a value, found '\(symbol)'")
    }
  }

  /// `.name`, `.method(…)`, `[index]`, `[from:to]`.
  private mutating func followed(_ value: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    var value = value
    while true {
      if take(".") {
        if case .int(let index)? = next {
          at += 1
          value = try made(.element(value, .literal(.int(index))))
          continue
        }
        let name = try word()
        value = try take("(") ? made(.method(value, name, try arguments())) : made(.member(value, name))
      } else if take("[") {
        let from = next == .symbol(":") ? nil : try expression()
        if take(":") {
          let to = next == .symbol("]") ? nil : try expression()
          value = try made(.slice(value, from: from, to: to))
        } else {
          value = try made(.element(value, from!))
        }
        try need("]")
      } else {
        return value
      }
    }
  }

  private mutating func filtered(_ value: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    var value = value
    while true {
      if take("|") {
        let name = try word()
        guard TemplateEvaluator.filters.contains(name) else {
          throw TemplateError("an unknown filter '\(name)'\(NearestName.hint(for: name, in: TemplateEvaluator.filters.sorted()))")
        }
        var arguments = take("(") ? try arguments() : TemplateExpression.Arguments()
        if name == "regex_replace", case .literal(.string(let source))? = arguments.values.first {
          do throws(TextPattern.Refusal) { arguments.pattern = try TextPattern(source) } catch { throw TemplateError(error.description) }
        }
        value = try followed(try made(.filter(value, name, arguments)))
      } else if take("is") {
        let isNegated = take("not")
        let name = try word()
        guard TemplateEvaluator.tests.contains(name) else { throw TemplateError("an unknown test 'is \(name)'") }
        value = try made(.test(value, name, isNegated: isNegated))
      } else {
        return value
      }
    }
  }

  private mutating func arguments() throws(TemplateError) -> TemplateExpression.Arguments {
    var arguments = TemplateExpression.Arguments()
    while next != .symbol(")") {
      if case .name(let name)? = next, at + 1 < tokens.count, tokens[at + 1] == .symbol("=") {
        at += 2
        arguments.named.append((name, try expression()))
      } else {
        arguments.values.append(try expression())
      }
      if !take(",") { break }
    }
    try need(")")
    return arguments
  }
}
