import JSON
import Testing

@Suite struct JSONWriterTests {
  static let document: JSON = [
    "name": "a \"quoted\" \\ text\n\t\u{1}é😀", "whole": 3, "fraction": 0.1, "flags": [true, false, nil], "empty": [:], "none": [],
    "nested": ["deeper": ["list": [1, 2.5, "x"]]],
  ]

  @Test("what is written reads back equal, compact and pretty", arguments: [false, true])
  func roundTrip(pretty: Bool) throws { #expect(try JSON(parsing: Self.document.text(pretty: pretty)) == Self.document) }

  @Test("compact text has no spaces and keeps the order of members")
  func compact() {
    let value: JSON = ["b": 1, "a": [1, 2], "c": ["d": nil]]
    #expect(value.text() == #"{"b":1,"a":[1,2],"c":{"d":null}}"#)
  }

  @Test("pretty text keeps arrays of numbers on one line")
  func pretty() {
    let value: JSON = ["b": [1, 2], "a": [["x": 1], ["x": 2]]]
    #expect(value.text(pretty: true).split(separator: "\n").contains { $0.hasSuffix(#""b": [1, 2],"#) })
  }

  @Test("control characters are escaped, everything else is itself")
  func escapes() {
    #expect(JSON.string("\u{0}\u{1f}\u{7f}/é").text() == "\"\\u0000\\u001f\u{7f}/é\"")
    #expect(JSON.string("\u{8}\u{c}").text() == #""\b\f""#)
  }

  @Test(
    "doubles are written with as many digits as they need",
    arguments: [0.1, 1e300, -2.5e-300, Double.leastNonzeroMagnitude, 1.0 / 3, 0x1p63, 123456789.125])
  func doubles(value: Double) throws { #expect(try JSON(parsing: JSON.double(value).text()).double == value) }

  @Test("NaN and infinities become null")
  func special() { for value in [Double.nan, .infinity, -.infinity] { #expect(JSON.double(value).text() == "null") } }

  @Test("whole doubles are whole numbers to a reader, fractions and huge ones are not")
  func integers() {
    #expect(JSON.double(3).int == 3 && JSON.int(3).double == 3)
    #expect(JSON.double(3.5).int == nil && JSON.double(1e300).int == nil && JSON.string("3").int == nil)
  }

  @Test("setting a member to nil removes it; setting it again appends")
  func members() {
    var object: JSON.Object = ["a": 1, "b": 2]
    object["a"] = nil
    #expect(object.names == ["b"] && object.count == 1 && object["a"] == nil)
    object["a"] = 3
    #expect(object.names == ["b", "a"])
    object["c"] = nil
    #expect(object.names == ["b", "a"])
  }
}
