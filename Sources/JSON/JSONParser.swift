/// Why a text is not JSON, and at which byte.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  public let offset: Int
  public let reason: String
  public var description: String { "not valid JSON at byte \(offset): \(reason)" }
}

extension JSON {
  /// Nesting deeper than this is refused, so that a hostile file cannot exhaust the stack.
  public static let greatestDepth = 128

  public init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

  public init(parsing bytes: [UInt8]) throws(JSONError) {
    var failure: JSONError?
    var value = JSON.null
    bytes.withUnsafeBufferPointer { buffer in
      do throws(JSONError) { value = try JSON(parsing: buffer) } catch { failure = error }
    }
    if let failure { throw failure }
    self = value
  }

  public init(parsing bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }
}

/// Recursive descent over UTF-8 bytes. Strings without escapes are copied in one piece: a 7 MB tokenizer is mostly such strings.
struct JSONParser {
  let bytes: UnsafeBufferPointer<UInt8>
  var at = 0

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  func fail(_ reason: String, at offset: Int? = nil) -> JSONError { JSONError(offset: offset ?? at, reason: reason) }

  mutating func document() throws(JSONError) -> JSON {
    let value = try value(depth: 0)
    skipSpace()
    guard at == bytes.count else { throw fail("text after the end of the value") }
    return value
  }

  private mutating func skipSpace() {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0a || bytes[at] == 0x0d || bytes[at] == 0x09 { at += 1 }
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSON {
    guard depth < JSON.greatestDepth else { throw fail("nested deeper than \(JSON.greatestDepth) levels") }
    skipSpace()
    guard at < bytes.count else { throw fail("text ends where a value should stand") }
    switch bytes[at] {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    guard bytes.count - at >= word.utf8CodeUnitCount else { throw fail("text ends inside a word") }
    for i in 0..<word.utf8CodeUnitCount where bytes[at + i] != word.utf8Start[i] { throw fail("expected \(word)") }
    at += word.utf8CodeUnitCount
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSON.Object {
    at += 1
    var object = JSON.Object()
    skipSpace()
    if at < bytes.count, bytes[at] == UInt8(ascii: "}") {
      at += 1
      return object
    }
    while true {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw fail("expected a name in quotes") }
      let start = at
      let name = try string()
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { throw fail("expected ':' after a name") }
      at += 1
      guard object.insert(name, try value(depth: depth + 1)) else { throw fail("the name '\(name)' appears twice", at: start) }
      if try closes(with: UInt8(ascii: "}")) { return object }
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSON] {
    at += 1
    var elements: [JSON] = []
    skipSpace()
    if at < bytes.count, bytes[at] == UInt8(ascii: "]") {
      at += 1
      return elements
    }
    while true {
      elements.append(try value(depth: depth + 1))
      if try closes(with: UInt8(ascii: "]")) { return elements }
    }
  }

  private mutating func closes(with end: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    guard at < bytes.count, bytes[at] == end || bytes[at] == UInt8(ascii: ",") else {
      throw fail("expected ',' or '\(Character(UnicodeScalar(end)))'")
    }
    at += 1
    return bytes[at - 1] == end
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = at
    var isWhole = true
    if at < bytes.count, bytes[at] == UInt8(ascii: "-") { at += 1 }
    let firstDigit = at
    try digits()
    if bytes[firstDigit] == UInt8(ascii: "0"), at - firstDigit > 1 { throw fail("a number starts with 0", at: start) }
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      isWhole = false
      at += 1
      try digits()
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      isWhole = false
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      try digits()
    }
    let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<at]), as: UTF8.self)
    if isWhole, let value = Int(text) { return .int(value) }
    guard let value = Double(text), value.isFinite else { throw fail("a number that does not fit 64 bits", at: start) }
    return .double(value)
  }

  private mutating func digits() throws(JSONError) {
    let start = at
    while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
    guard at > start else { throw fail("expected a value") }
  }

  private mutating func string() throws(JSONError) -> String {
    at += 1
    let start = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 0x20 { at += 1 }
    guard at < bytes.count else { throw fail("text ends inside a string", at: start) }
    if bytes[at] == UInt8(ascii: "\"") {
      let piece = UnsafeBufferPointer(rebasing: bytes[start..<at])
      at += 1
      guard let text = String(validating: piece, as: UTF8.self) else { throw fail("a string that is not UTF-8", at: start) }
      return text
    }
    return try escapedString(from: start)
  }

  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    var text = Array(bytes[start..<at])
    while true {
      guard at < bytes.count else { throw fail("text ends inside a string", at: start) }
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else { throw fail("a string that is not UTF-8", at: start) }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw fail("a control character inside a string", at: at - 1)
      default: text.append(byte)
      }
    }
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard at < bytes.count else { throw fail("text ends inside a string") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code >= 0xd800, code < 0xdc00 {
        guard bytes.count - at >= 6, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
          throw fail("half a surrogate pair")
        }
        at += 2
        let low = try hexadecimal()
        guard low >= 0xdc00, low < 0xe000 else { throw fail("half a surrogate pair") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = UnicodeScalar(code) else { throw fail("half a surrogate pair") }
      text.append(contentsOf: UTF8.encode(scalar)!)
    default: throw fail("an unknown escape", at: at - 1)
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    guard bytes.count - at >= 4 else { throw fail("text ends inside an escape") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(UnicodeScalar(bytes[at])).hexDigitValue, bytes[at] < 0x80 else { throw fail("expected four hex digits") }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }
}
