/// Walks JSON bytes in order without building values: the two long members of a tokenizer.json would make 700,000 of them.
/// The bytes are well-formed UTF-8.
struct JSONBytes {
  let bytes: Bytes
  var at: Int

  init(_ bytes: Bytes, at: Int = 0) {
    self.bytes = bytes
    self.at = at
  }

  func fail(_ reason: String) -> TokenizerError { .invalid("not valid JSON at byte \(at): \(reason)") }

  @inline(__always) mutating func peek() -> UInt8 {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x0a || bytes[at] == 0x0d || bytes[at] == 0x09 { at += 1 }
    return at < bytes.count ? bytes[at] : 0
  }

  /// Steps over `byte` if it is next.
  @inline(__always) mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    at += 1
    return true
  }

  @inline(__always) mutating func expect(_ byte: UInt8) throws(TokenizerError) {
    guard take(byte) else { throw fail("expected '\(Character(Unicode.Scalar(byte)))'") }
  }

  /// Appends the text of the string that is next.
  mutating func string(into out: inout [UInt8]) throws(TokenizerError) {
    try expect(0x22)
    while true {
      let start = at
      while at < bytes.count, bytes[at] != 0x22, bytes[at] != 0x5c, bytes[at] >= 0x20 { at += 1 }
      out.append(contentsOf: Bytes(rebasing: bytes[start..<at]))
      guard at < bytes.count, bytes[at] >= 0x20 else { throw fail("a string that does not end, or a control character in it") }
      at += 1
      if bytes[at - 1] == 0x22 { return }
      try escape(into: &out)
    }
  }

  private mutating func escape(into out: inout [UInt8]) throws(TokenizerError) {
    guard at < bytes.count else { throw fail("text ends inside a string") }
    at += 1
    switch bytes[at - 1] {
    case 0x22, 0x5c, 0x2f: out.append(bytes[at - 1])
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0c)
    case UInt8(ascii: "n"): out.append(0x0a)
    case UInt8(ascii: "r"): out.append(0x0d)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code & 0xfc00 == 0xd800 {
        guard bytes.count - at >= 6, bytes[at] == 0x5c, bytes[at + 1] == UInt8(ascii: "u") else { throw fail("half a surrogate pair") }
        at += 2
        let low = try hexadecimal()
        guard low & 0xfc00 == 0xdc00 else { throw fail("half a surrogate pair") }
        code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
      }
      guard let scalar = Unicode.Scalar(code), let encoded = UTF8.encode(scalar) else { throw fail("half a surrogate pair") }
      out.append(contentsOf: encoded)
    default: throw fail("an unknown escape")
    }
  }

  private mutating func hexadecimal() throws(TokenizerError) -> UInt32 {
    guard bytes.count - at >= 4 else { throw fail("text ends inside an escape") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      let byte = bytes[at]
      let digit: UInt8
      switch byte {
      case 0x30...0x39: digit = byte - 0x30
      case 0x41...0x46: digit = byte - 0x41 + 10
      case 0x61...0x66: digit = byte - 0x61 + 10
      default: throw fail("expected four hex digits")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }

  /// A whole number from 0 to 2^31 - 1 written in digits.
  mutating func natural() throws(TokenizerError) -> Int32 {
    _ = peek()
    let start = at
    var value = 0
    while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39, value <= Int(Int32.max) {
      value = value * 10 + Int(bytes[at] - 0x30)
      at += 1
    }
    guard at > start, value <= Int(Int32.max), at - start == 1 || bytes[start] != 0x30 else {
      throw fail("expected an id from 0 to 2147483647")
    }
    return Int32(value)
  }

  /// Steps over a value. It only pairs brackets and quotes; whoever reads the value checks the rest.
  mutating func skipValue() throws(TokenizerError) {
    _ = peek()
    var depth = 0
    repeat {
      guard at < bytes.count else { throw fail("text ends inside a value") }
      let byte = bytes[at]
      switch byte {
      case 0x22: try skipString()
      case 0x7b, 0x5b:
        depth += 1
        at += 1
      case 0x7d, 0x5d:
        guard depth > 0 else { throw fail("expected a value") }
        depth -= 1
        at += 1
      case 0x2c where depth == 0: throw fail("expected a value")
      default:
        at += 1
        if depth == 0 {
          while at < bytes.count, bytes[at] != 0x2c, bytes[at] != 0x7d, bytes[at] != 0x5d { at += 1 }
        }
      }
    } while depth > 0
  }

  private mutating func skipString() throws(TokenizerError) {
    at += 1
    while at < bytes.count, bytes[at] != 0x22 { at += bytes[at] == 0x5c ? 2 : 1 }
    guard at < bytes.count else {
      at = bytes.count
      throw fail("text ends inside a string")
    }
    at += 1
  }
}
