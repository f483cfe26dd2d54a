import JSON
import Testing

@Suite struct JSONParserTests {
  @Test(
    "values of every kind",
    arguments: [
      ("null", JSON.null), ("true", .bool(true)), (" \t\r\nfalse ", .bool(false)), ("0", .int(0)), ("-0", .int(0)), ("-17", .int(-17)),
      ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)), ("1.5", .double(1.5)), ("1e3", .double(1000)),
      ("-2.5E-2", .double(-0.025)), ("1E+2", .double(100)), ("\"\"", .string("")), ("\"a\"", .string("a")), ("[]", .array([])),
      ("[ ]", .array([])), ("[1,[2],{}]", .array([.int(1), .array([.int(2)]), .object([:])])), ("{}", .object([:])),
      ("{ \"a\" : 1 , \"b\" : null }", .object(["a": .int(1), "b": .null])),
    ])
  func values(text: String, expected: JSON) throws { #expect(try JSON(parsing: text) == expected) }

  @Test("whole numbers beyond 64 bits become doubles")
  func hugeNumbers() throws {
    #expect(try JSON(parsing: "9223372036854775808") == .double(0x1p63))
    #expect(try JSON(parsing: "123456789012345678901234567890").double == 0x1.8ee90ff6c373ep+96)
  }

  @Test(
    "numbers that JSON does not have are refused",
    arguments: ["01", "-01", "+1", ".5", "1.", "1e", "1e+", "-", "0x10", "NaN", "Infinity", "1e999", "1_000", "--1"])
  func badNumbers(text: String) { #expect(throws: JSONError.self) { try JSON(parsing: text) } }

  @Test(
    "the shortest double text is read exactly",
    arguments: ["0.1", "2.2250738585072014e-308", "5e-324", "1.7976931348623157e308", "0.30000000000000004"])
  func doubles(text: String) throws { #expect(try JSON(parsing: text) == .double(Double(text)!)) }

  @Test(
    "escapes",
    arguments: [
      (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u0041\u00e9\u20AC""#, "A\u{e9}\u{20ac}"), (#""\u0000""#, "\0"),
      (#""\ud83d\ude00""#, "\u{1f600}"), (#""\uDBFF\uDFFF""#, "\u{10ffff}"), (#""a\ud83d\ude00b""#, "a\u{1f600}b"), (#""é\n😀""#, "é\n😀"),
    ])
  func escapes(text: String, expected: String) throws { #expect(try JSON(parsing: text).string == expected) }

  @Test(
    "half surrogate pairs and malformed escapes are refused",
    arguments: [
      #""\ud83d""#, #""\ud83dx""#, #""\ud83d\n""#, #""\ud83d\u0041""#, #""\ude00""#, #""\ud83d\ud83d""#, #""\u12""#, #""\u12g4""#,
      #""\x41""#,
      #""\"#, #""\u"#, #""\ud83d\u"#,
    ])
  func badEscapes(text: String) { #expect(throws: JSONError.self) { try JSON(parsing: text) } }

  @Test("control characters inside strings are refused, escaped or not before them")
  func controls() {
    for text in ["\"a\nb\"", "\"\u{1}\"", "\"\\n\u{1f}\"", "\"\0\""] { #expect(throws: JSONError.self) { try JSON(parsing: text) } }
  }

  @Test("bytes that are not UTF-8 are refused inside strings, with and without escapes")
  func encoding() {
    let bad: [[UInt8]] = [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]
    for bytes in bad {
      #expect(throws: JSONError.self) { try JSON(parsing: [0x22] + bytes + [0x22]) }
      #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0x5c, 0x6e] + bytes + [0x22]) }
      #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
    }
  }

  @Test("a name that appears twice is refused, at the second, also when one is escaped")
  func duplicates() {
    let error = #expect(throws: JSONError.self) { try JSON(parsing: #"{"a":1,"a":2}"#) }
    #expect(error?.description == "not valid JSON at byte 7: the name 'a' appears twice")
    #expect(throws: JSONError.self) { try JSON(parsing: #"{"a":1,"\u0061":2}"#) }
    #expect(throws: Never.self) { try JSON(parsing: #"[{"a":1},{"a":2}]"#) }
  }

  @Test("nesting is allowed to the limit and refused beyond it")
  func depth() throws {
    func nested(_ open: String, _ close: String, _ depth: Int) -> String {
      String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
    }
    #expect(throws: Never.self) { try JSON(parsing: nested("[", "]", JSON.greatestDepth - 1)) }
    #expect(throws: JSONError.self) { try JSON(parsing: nested("[", "]", JSON.greatestDepth)) }
    #expect(throws: JSONError.self) { try JSON(parsing: nested("{\"a\":", "}", JSON.greatestDepth)) }
    #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 1_000_000)) }
  }

  @Test(
    "texts that break off or go on are refused",
    arguments: [
      "", " ", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}",
      "{\"a\" 1}", "\"", "\"a", "tru", "nul", "truth", "1 1", "[]]", "{}{}", "'a'", "[1}", "{\"a\":1]", "\u{feff}1", "// c\n1",
    ])
  func broken(text: String) { #expect(throws: JSONError.self) { try JSON(parsing: text) } }

  @Test("every prefix of a document is an error, never a crash")
  func prefixes() throws {
    let text = Array(#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n"],"b":{"c":null,"d":true}}"#.utf8)
    #expect(throws: Never.self) { try JSON(parsing: text) }
    for length in 0..<text.count { #expect(throws: JSONError.self) { try JSON(parsing: Array(text[..<length])) } }
  }

  @Test("a hundred thousand damaged documents are read or refused, and what is read survives being written")
  func mutations() throws {
    let text = Array(#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",[[]]],"b":{"c":null,"d":true},"e":9223372036854775807}"#.utf8)
    var state: UInt64 = 1
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    let alphabet = Array("{}[]\",:\\0123456789.eE+-ntfu \n\u{1}é".utf8) + [0xff, 0xc0, 0x80]
    var read = 0
    for _ in 0..<100_000 {
      var damaged = text
      for _ in 0...random(3) {
        switch random(3) {
        case 0: damaged[random(damaged.count)] = alphabet[random(alphabet.count)]
        case 1: damaged.remove(at: random(damaged.count))
        default: damaged.insert(alphabet[random(alphabet.count)], at: random(damaged.count))
        }
      }
      guard let value = try? JSON(parsing: damaged) else { continue }
      read += 1
      #expect(try JSON(parsing: value.text()) == value)
    }
    #expect(read > 1000, "too few damaged documents are still valid to say anything")
  }

  @Test("errors say where")
  func offsets() {
    let error = #expect(throws: JSONError.self) { try JSON(parsing: "[1, x]") }
    #expect(error?.description == "not valid JSON at byte 4: expected a value")
  }
}
