/// The words of a template's expression.
enum TemplateToken: Equatable {
  case name(String)
  case string(String)
  case int(Int)
  case double(Double)
  case symbol(String)
}

/// Reads the tokens of one tag, up to the `}}` or `%}` that ends it.
struct TemplateLexer {
  let bytes: [UInt8]
  var at: Int

  /// - Parameter end: "}}" or "%}"; it is consumed, with the '-' in front of it that takes white space away.
  /// - Returns: the tokens, and whether white space behind the tag goes.
  mutating func tokens(until end: String) throws(TemplateError) -> (tokens: [TemplateToken], trimsBehind: Bool) {
    var tokens: [TemplateToken] = []
    var open: [Character] = []
    while true {
      while at < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
      guard at < bytes.count else { throw TemplateError("a tag has no '\(end)'") }
      if open.isEmpty {
        if starts(with: end) {
          at += 2
          return (tokens, false)
        }
        if starts(with: "-" + end) {
          at += 3
          return (tokens, true)
        }
      }
      let token = try token()
      if case .symbol(let symbol) = token {
        switch symbol {
        case "(", "[", "{": open.append(Character(symbol))
        case ")", "]", "}":
          guard open.popLast() == [")": "(", "]": "[", "}": "{"][Character(symbol)] else {
            throw TemplateError("a '\(symbol)' that nothing opens")
          }
        default: break
        }
      }
      tokens.append(token)
    }
  }

  private func starts(with text: String) -> Bool { bytes[at...].starts(with: text.utf8) }

  private static let symbols = [
    "==", "!=", "<=", ">=", "//", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "+", "-", "~", "*", "/", "%", "<", ">", "=",
  ]

  private mutating func token() throws(TemplateError) -> TemplateToken {
    let byte = bytes[at]
    if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") { return .string(try string(closing: byte)) }
    if isDigit(byte) { return try number() }
    if isLetter(byte) {
      let start = at
      while at < bytes.count, isLetter(bytes[at]) || isDigit(bytes[at]) { at += 1 }
      return .name(String(decoding: bytes[start..<at], as: UTF8.self))
    }
    guard let symbol = TemplateLexer.symbols.first(where: starts) else {
      throw TemplateError("a character that has no meaning here: '\(String(decoding: bytes[at...].prefix(4), as: UTF8.self).prefix(1))'")
    }
    at += symbol.utf8.count
    return .symbol(symbol)
  }

  private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private func isLetter(_ byte: UInt8) -> Bool {
    (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f || byte >= 0x80
  }

  private mutating func number() throws(TemplateError) -> TemplateToken {
    let start = at
    while at < bytes.count, isDigit(bytes[at]) { at += 1 }
    if at + 1 < bytes.count, bytes[at] == UInt8(ascii: "."), isDigit(bytes[at + 1]) {
      at += 1
      while at < bytes.count, isDigit(bytes[at]) { at += 1 }
      if let value = Double(String(decoding: bytes[start..<at], as: UTF8.self)) { return .double(value) }
    } else if let value = Int(String(decoding: bytes[start..<at], as: UTF8.self)) {
      return .int(value)
    }
    throw TemplateError("a number that does not fit 64 bits")
  }

  /// As Python reads a string in quotes; an unknown escape stays as it is.
  private mutating func string(closing quote: UInt8) throws(TemplateError) -> String {
    at += 1
    var text: [UInt8] = []
    while at < bytes.count, bytes[at] != quote {
      guard bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count else {
        text.append(bytes[at])
        at += 1
        continue
      }
      let escaped = bytes[at + 1]
      at += 2
      switch escaped {
      case UInt8(ascii: "n"): text.append(0x0a)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "r"): text.append(0x0d)
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0c)
      case UInt8(ascii: "v"): text.append(0x0b)
      case UInt8(ascii: "a"): text.append(0x07)
      case UInt8(ascii: "\n"): break
      case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(escaped)
      case UInt8(ascii: "x"): try code(digits: 2, into: &text)
      case UInt8(ascii: "u"): try code(digits: 4, into: &text)
      case UInt8(ascii: "U"): try code(digits: 8, into: &text)
      default: text += [UInt8(ascii: "\\"), escaped]
      }
    }
    guard at < bytes.count else { throw TemplateError("a string without its closing quote") }
    at += 1
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func code(digits: Int, into text: inout [UInt8]) throws(TemplateError) {
    guard bytes.count - at >= digits, bytes[at..<at + digits].allSatisfy({ $0 < 0x80 && Character(UnicodeScalar($0)).isHexDigit }),
      let value = UInt32(String(decoding: bytes[at..<at + digits], as: UTF8.self), radix: 16), let scalar = UnicodeScalar(value)
    else { throw TemplateError("an escape that is no character") }
    at += digits
    text += Array(String(Character(scalar)).utf8)
  }
}
