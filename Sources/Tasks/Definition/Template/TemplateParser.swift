/// Template text to nodes: text, `{{ expression }}`, `{% set %}`, `{% if %}`, `{% for %}`, `{# comment #}`.
struct TemplateParser {
  private var lexer: TemplateLexer
  private var trimsNext = false
  /// Words of the tag that ended the innermost body: "endif", "else".
  private var closing: [TemplateToken] = []

  static let longest = 65_536
  private static let deepest = 16

  init(_ source: String) throws(TemplateError) {
    guard source.utf8.count <= TemplateParser.longest else {
      throw TemplateError("a template of \(source.utf8.count) bytes; at most \(TemplateParser.longest) are taken")
    }
    // Jinja reads every kind of line end as one.
    var bytes: [UInt8] = []
    for byte in source.utf8 {
      if byte == 0x0a, bytes.last == 0x0d { bytes.removeLast() }
      bytes.append(byte)
    }
    lexer = TemplateLexer(bytes: bytes.map { $0 == 0x0d ? 0x0a : $0 }, at: 0)
  }

  mutating func template() throws(TemplateError) -> [TemplateNode] { try body(until: [], depth: 0) }

  private mutating func body(until ends: [String], depth: Int) throws(TemplateError) -> [TemplateNode] {
    guard depth < TemplateParser.deepest else { throw TemplateError("blocks deeper than \(TemplateParser.deepest)") }
    var nodes: [TemplateNode] = []
    while true {
      let (text, tag) = text()
      if !text.isEmpty { nodes.append(.text(text)) }
      switch tag {
      case nil:
        guard ends.isEmpty else { throw TemplateError("'\(ends[ends.count - 1])' is missing") }
        return nodes
      case "{{":
        let (tokens, trims) = try lexer.tokens(until: "}}")
        trimsNext = trims
        nodes.append(.value(try expression(tokens)))
      case "{%":
        let (tokens, trims) = try lexer.tokens(until: "%}")
        trimsNext = trims
        guard case .name(let word)? = tokens.first else { throw TemplateError("a tag that begins with no word") }
        if ends.contains(word) {
          closing = tokens
          return nodes
        }
        nodes.append(try statement(word, Array(tokens.dropFirst()), depth: depth))
      default:
        // A comment.
        guard let end = (lexer.at..<max(lexer.at, lexer.bytes.count - 1)).first(where: { lexer.bytes[$0...].starts(with: "#}".utf8) })
        else {
          throw TemplateError("a comment has no '#}'")
        }
        trimsNext = end > lexer.at && lexer.bytes[end - 1] == UInt8(ascii: "-")
        lexer.at = end + 2
      }
    }
  }

  private mutating func statement(_ word: String, _ tokens: [TemplateToken], depth: Int) throws(TemplateError) -> TemplateNode {
    switch word {
    case "set":
      guard tokens.count > 2, case .name(let name) = tokens[0], tokens[1] == .symbol("=") else {
        throw TemplateError("a 'set' that is not 'set NAME = EXPRESSION'")
      }
      return .set(name, try expression(Array(tokens.dropFirst(2))))
    case "if":
      var cases: [TemplateNode.Case] = []
      var condition = try expression(tokens)
      while true {
        cases.append(TemplateNode.Case(condition: condition, body: try body(until: ["elif", "else", "endif"], depth: depth + 1)))
        switch closing.first {
        case .name("elif"): condition = try expression(Array(closing.dropFirst()))
        case .name("else"): return .branch(cases, else: try body(until: ["endif"], depth: depth + 1))
        default: return .branch(cases, else: [])
        }
      }
    case "for":
      guard tokens.count > 2, case .name(let name) = tokens[0], tokens[1] == .name("in") else {
        throw TemplateError("a 'for' that is not 'for NAME in EXPRESSION'")
      }
      let list = try expression(Array(tokens.dropFirst(2)))
      return .loop(name, list, try body(until: ["endfor"], depth: depth + 1))
    default: throw TemplateError("a tag that templates of tasks do not have: '\(word)'")
    }
  }

  private func expression(_ tokens: [TemplateToken]) throws(TemplateError) -> TemplateExpression {
    var parser = TemplateExpressionParser(tokens)
    return try parser.whole()
  }

  /// The text up to the next tag, and the two characters that open it.
  private mutating func text() -> (String, String?) {
    let bytes = lexer.bytes
    let start = lexer.at
    var end = start
    var tag: String?
    while end < bytes.count {
      if bytes[end] == UInt8(ascii: "{"), end + 1 < bytes.count,
        let kind = [UInt8(ascii: "{"): "{{", UInt8(ascii: "%"): "{%", UInt8(ascii: "#"): "{#"][bytes[end + 1]]
      {
        tag = kind
        break
      }
      end += 1
    }
    var text = bytes[start..<end]
    lexer.at = tag == nil ? end : end + 2
    if trimsNext { text = text.drop { $0 <= 0x20 } }
    trimsNext = false
    if tag != nil, lexer.at < bytes.count, bytes[lexer.at] == UInt8(ascii: "-") {
      lexer.at += 1
      while let last = text.last, last <= 0x20 { text.removeLast() }
    }
    return (String(decoding: text, as: UTF8.self), tag)
  }
}
