import Glibc

/// A Markdown table, byte for byte as lm-evaluation-harness prints it. What its table writer does with the cells is part of that: texts that are
/// numbers are numbers, a column has as many decimal places as its longest number needs ("0.2500" beside "0.3000" becomes 0.25 and 0.30), numbers
/// stand right and texts left, and once most cells of a column were text, what looks like a number stays text.
struct HarnessTable {
  enum Cell: Equatable {
    case text(String)
    /// Not a text that reads as a number, but one: the version of a task.
    case number(String)
  }

  let head: [String]
  let rows: [[Cell]]

  /// With a line feed behind each line.
  var text: String {
    let columns = head.indices.map { column in Column(title: head[column], cells: rows.map { $0[column] }) }
    func line(_ cells: [String]) -> String { "|" + cells.joined(separator: "|") + "|\n" }
    return line(columns.map(\.header)) + line(columns.map(\.rule))
      + rows.indices.map { row in line(columns.map { $0.cells[row] }) }.joined()
  }

  /// `String(format: "%.4f")`, rounded to even from the exact value as C and Python do.
  static func fixed4(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    var bytes = [CChar](repeating: 0, count: 400)
    _ = withVaList([value]) { vsnprintf(&bytes, bytes.count, "%.4f", $0) }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// What a cell is taken for.
private enum Value: Equatable {
  case text(String)
  case blank(String)
  case integer(String)
  /// Digits before and behind the point, and how many of those behind are needed.
  case real(String, String, places: Int)
  case infinity(String)
  case nan

  init(_ text: String) {
    let bare = text.drop { $0 == " " }
    let number = bare.first == "-" || bare.first == "+" ? bare.dropFirst() : bare
    let sign = bare.first == "-" ? "-" : ""
    let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let isNumber = !number.isEmpty && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
    if bare.isEmpty {
      self = .blank(text)
    } else if number.lowercased() == "nan" {
      self = .nan
    } else if number.lowercased() == "inf" || number.lowercased() == "infinity" {
      self = .infinity(sign + "Infinity")
    } else if !isNumber {
      self = .text(text)
    } else if parts.count == 1 || parts[1].allSatisfy({ $0 == "0" }) {
      let digits = parts[0].drop { $0 == "0" }
      self = .integer(digits.isEmpty ? "0" : sign + digits)
    } else {
      // As many as the shortest text of the number has: more digits than a Double holds do not count.
      let shortest = "\(Double(number) ?? 0)".split(separator: ".").dropFirst().first.map(String.init) ?? ""
      let needed = shortest.allSatisfy { $0.isNumber } ? shortest.count : parts[1].count
      self = .real(sign + parts[0], String(parts[1]), places: needed)
    }
  }

  var isText: Bool { if case .text = self { true } else { false } }
  var isBlank: Bool { if case .blank = self { true } else { false } }
  var isInteger: Bool { if case .integer = self { true } else { false } }
  var isReal: Bool { if case .real = self { true } else { false } }
  var isInfinity: Bool { if case .infinity = self { true } else { false } }
  /// Decimal places that it needs; nil where it has none.
  var places: Int? { if case .real(_, _, let places) = self { places } else { isInteger ? 0 : nil } }

  func shown(places: Int, asReal: Bool) -> String {
    switch self {
    case .text(let text), .blank(let text), .infinity(let text): text
    case .nan: "NaN"
    case .integer(let digits): asReal && places > 0 ? digits + "." + String(repeating: "0", count: places) : digits
    case .real(let front, let back, _):
      places == 0 ? front : front + "." + back.prefix(places) + String(repeating: "0", count: max(0, places - back.count))
    }
  }
}

private struct Column {
  let header: String, rule: String
  let cells: [String]

  init(title: String, cells: [HarnessTable.Cell]) {
    let values = Column.values(cells)
    let isText = values.contains(where: \.isText)
    let floats = [values.contains(where: \.isReal), values.contains(where: \.isInfinity), values.contains(.nan)].filter { $0 }.count
    let (hasBlank, hasInteger) = (values.contains(where: \.isBlank), values.contains(where: \.isInteger))
    let isReal =
      !isText && (values.contains(where: \.isReal) || floats + (hasBlank ? 1 : 0) >= 2 || floats + (hasInteger ? 1 : 0) >= 2)
    let isRight = isReal || (!isText && hasInteger)
    let places = values.compactMap(\.places).max() ?? 0
    let texts = values.map { $0.shown(places: places, asReal: isReal) }
    let width = max(3, Column.width(title), texts.map(Column.width).max() ?? 0)
    let gap = width - Column.width(title)
    header = String(repeating: " ", count: gap / 2) + title + String(repeating: " ", count: gap - gap / 2)
    rule = String(repeating: "-", count: isRight ? width - 1 : width) + (isRight ? ":" : "")
    self.cells = zip(values, texts).map { value, text in
      let padding = String(repeating: " ", count: width - Column.width(text))
      let escaped = text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
      return isRight || (isText && (value.isInteger || value.isReal)) ? padding + escaped : escaped + padding
    }
  }

  /// The most frequent kind so far, the earliest of equals, decides whether the next text is read as a number.
  private static func values(_ cells: [HarnessTable.Cell]) -> [Value] {
    var counts: [(kind: Int, count: Int)] = []
    return cells.map { cell in
      let expected = counts.max { $0.count < $1.count }.flatMap { most in counts.first { $0.count == most.count } }
      let value: Value =
        switch cell {
        case .number(let text): Value(text)
        case .text(let text): expected?.kind == 0 && !Value(text).isBlank ? .text(text) : Value(text)
        }
      let kind = value.isText ? 0 : value.isBlank ? 1 : value.isInteger ? 2 : value.isReal ? 3 : value == .nan ? 4 : 5
      if let known = counts.firstIndex(where: { $0.kind == kind }) { counts[known].count += 1 } else { counts.append((kind, 1)) }
      return value
    }
  }

  /// In columns of a terminal: East Asian wide characters take two (Unicode, UAX 11).
  private static func width(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { width, scalar in
      switch scalar.value {
      case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF, 0xAC00...0xD7A3,
        0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
        width + 2
      default: width + 1
      }
    }
  }
}
