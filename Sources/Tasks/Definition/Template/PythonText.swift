import Evaluation
import JSON

/// Texts as Python's `str` treats them: by Unicode scalars, compared exactly.
enum PythonText {
  static func isSame(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

  /// `text.strip(characters)`: Python's white space where no characters are given.
  static func stripped(_ text: String, _ characters: String?, left: Bool = true, right: Bool = true) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool { set.map { $0.contains(scalar) } ?? scalar.isPythonSpace }
    var rest = Substring(text).unicodeScalars
    if left { rest = rest.drop(while: goes) }
    if right { while let last = rest.last, goes(last) { rest.removeLast() } }
    return String(rest)
  }

  static func lowered(_ text: String) -> String {
    text.utf8.allSatisfy { $0 < 0x80 } ? text.lowercased() : lowered(Array(text.unicodeScalars), from: 0)
  }

  private static func lowered(_ scalars: [Unicode.Scalar], from start: Int) -> String {
    var out = ""
    for place in scalars.indices[start...] {
      out += scalars[place] == "Σ" && endsWord(place, in: scalars) ? "ς" : scalars[place].properties.lowercaseMapping
    }
    return out
  }

  /// Unicode's Final_Sigma: a letter in front and none behind, apart from what case ignores.
  private static func endsWord(_ place: Int, in scalars: [Unicode.Scalar]) -> Bool {
    guard let before = scalars[..<place].last(where: { !$0.properties.isCaseIgnorable }), before.properties.isCased else { return false }
    return !(scalars[(place + 1)...].first { !$0.properties.isCaseIgnorable }?.properties.isCased ?? false)
  }

  static func raised(_ text: String) -> String {
    text.utf8.allSatisfy { $0 < 0x80 }
      ? text.uppercased() : text.unicodeScalars.reduce(into: "") { $0 += $1.properties.uppercaseMapping }
  }

  /// First letter large, all others small.
  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return text }
    return first.properties.titlecaseMapping + lowered(Array(text.unicodeScalars), from: 1)
  }

  /// `text.split(separator, limit)`.
  static func split(_ text: String, _ separator: String, limit: Int?) throws(TemplateError) -> [String] {
    guard !separator.isEmpty else { throw TemplateError("split: an empty separator") }
    let bytes = Array(text.utf8)
    var parts: [String] = []
    var start = 0
    let places = places(of: Array(separator.utf8), in: bytes, limit: limit.flatMap { $0 < 0 ? nil : $0 })
    try TemplateEvaluator.check(elements: places.count)
    for place in places {
      parts.append(String(decoding: bytes[start..<place], as: UTF8.self))
      start = place + separator.utf8.count
    }
    return parts + [String(decoding: bytes[start...], as: UTF8.self)]
  }

  /// `text.split()`: at runs of white space. The piece behind the last cut that `limit` allows keeps the white space at its end.
  static func words(_ text: String, limit: Int? = nil) throws(TemplateError) -> [String] {
    var words: [String] = []
    var rest = Substring(text).unicodeScalars.drop(while: \.isPythonSpace)
    while !rest.isEmpty {
      if let limit, limit >= 0, words.count == limit { return words + [String(rest)] }
      let word = rest.prefix { !$0.isPythonSpace }
      words.append(String(word))
      try TemplateEvaluator.check(elements: words.count)
      rest = rest[word.endIndex...].drop(while: \.isPythonSpace)
    }
    return words
  }

  /// `text.replace(old, new, limit)`.
  static func replacing(_ old: String, by new: String, in text: String, limit: Int? = nil) throws(TemplateError) -> String {
    let limit = limit.flatMap { $0 < 0 ? nil : $0 }
    let bytes = Array(text.utf8)
    guard !old.isEmpty else {
      // Python puts it between all characters.
      let scalars = Array(text.unicodeScalars)
      let count = min(limit ?? .max, scalars.count + 1)
      try TemplateEvaluator.check(bytes: bytes.count + count * new.utf8.count)
      var out = ""
      for place in 0...scalars.count {
        if place < count { out += new }
        if place < scalars.count { out.unicodeScalars.append(scalars[place]) }
      }
      return out
    }
    let found = places(of: Array(old.utf8), in: bytes, limit: limit)
    try TemplateEvaluator.check(bytes: bytes.count + found.count * new.utf8.count)
    var out: [UInt8] = []
    var start = 0
    for place in found {
      out += bytes[start..<place] + Array(new.utf8)
      start = place + old.utf8.count
    }
    return String(decoding: out + bytes[start...], as: UTF8.self)
  }

  /// Where `part`, which is not empty, begins, without overlaps; UTF-8 cannot match inside of a character. In time that grows with the sum of both
  /// (Knuth, Morris and Pratt, Fast Pattern Matching in Strings, 1977).
  static func places(of part: [UInt8], in bytes: [UInt8], limit: Int? = nil) -> [Int] {
    guard part.count <= bytes.count, limit != 0 else { return [] }
    // For each beginning of the part: how long the longest shorter one is that it ends with.
    var repeats = [Int](repeating: 0, count: part.count)
    var same = 0
    for at in part.indices.dropFirst() {
      while same > 0, part[at] != part[same] { same = repeats[same - 1] }
      if part[at] == part[same] { same += 1 }
      repeats[at] = same
    }
    var places: [Int] = []
    same = 0
    for (at, byte) in bytes.enumerated() {
      while same > 0, byte != part[same] { same = repeats[same - 1] }
      if byte == part[same] { same += 1 }
      guard same == part.count else { continue }
      places.append(at + 1 - part.count)
      if places.count == limit { break }
      same = 0
    }
    return places
  }

  /// `text.find(part)`, counted in Unicode scalars.
  static func find(_ part: String, in text: String) -> Int? {
    if part.isEmpty { return 0 }
    let bytes = Array(text.utf8)
    guard let place = places(of: Array(part.utf8), in: bytes, limit: 1).first else { return nil }
    return String(decoding: bytes[..<place], as: UTF8.self).unicodeScalars.count
  }
}

/// Values as Python shows and compares them.
extension JSON {
  /// `str(value)`
  var pythonText: String {
    switch self {
    case .null: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): String(value)
    case .double(let value): "\(value)"
    case .string(let text): text
    case .array, .object: pythonSource
    }
  }

  /// `repr(value)`
  private var pythonSource: String {
    switch self {
    case .string(let text):
      let quote = text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
      var out = quote
      for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\r": out += "\\r"
        case "\t": out += "\\t"
        case "'" where quote == "'": out += "\\'"
        case _ where !scalar.isPythonPrintable:
          let code = String(scalar.value, radix: 16)
          let (mark, digits) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
          out += "\\" + mark + String(repeating: "0", count: digits - code.count) + code
        default: out.unicodeScalars.append(scalar)
        }
      }
      return out + quote
    case .array(let elements): return "[" + elements.map(\.pythonSource).joined(separator: ", ") + "]"
    case .object(let object):
      return "{" + object.members.map { "\(JSON.string($0.0).pythonSource): \($0.1.pythonSource)" }.joined(separator: ", ") + "}"
    default: return pythonText
    }
  }

  /// Whether an `if` takes it for true.
  var isPythonTrue: Bool {
    switch self {
    case .null: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .string(let text): !text.isEmpty
    case .array(let elements): !elements.isEmpty
    case .object(let object): object.count > 0
    }
  }

  /// `==`: texts by their scalars, objects whatever the order of their members.
  func isSame(_ other: JSON) -> Bool {
    switch (self, other) {
    case (.string(let a), .string(let b)): return PythonText.isSame(a, b)
    case (.array(let a), .array(let b)): return a.count == b.count && zip(a, b).allSatisfy { $0.isSame($1) }
    case (.object(let a), .object(let b)): return a.count == b.count && a.members.allSatisfy { b[$0.0]?.isSame($0.1) ?? false }
    case (.null, .null): return true
    case (.int(let a), .int(let b)): return a == b
    default:
      guard let a = number, let b = other.number else { return false }
      return a == b
    }
  }

  /// Numbers, and true and false, which Python takes for 1 and 0.
  var number: Double? { bool.map { $0 ? 1 : 0 } ?? double }

  /// What an error calls a value of this kind.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .int, .double: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

extension Unicode.Scalar {
  /// Whether `repr` shows it as it is.
  fileprivate var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }
}
