import Formats
import JSON

/// One JSON value a line, blank lines left out. Eight bytes of memory a row.
struct JSONLines: RowSource {
  private let file: MappedFile
  private let starts: [Int]

  init(_ file: MappedFile) {
    self.file = file
    var starts: [Int] = []
    var at = JSONScanner.start(of: file.bytes)
    while at < file.byteCount {
      let end = JSONLines.end(of: at, in: file)
      if file.bytes[at..<end].contains(where: { !JSONScanner.isSpace($0) }) { starts.append(at) }
      at = end + 1
    }
    self.starts = starts
  }

  private static func end(of start: Int, in file: MappedFile) -> Int { file.bytes[start...].firstIndex(of: 0x0a) ?? file.byteCount }

  var count: Int { starts.count }
  func place(of index: Int) -> String { "line \(file.lineNumber(at: starts[index]))" }
  func row(_ index: Int) throws(RowError) -> JSON { try file.json(starts[index]..<JSONLines.end(of: starts[index], in: file)) }
}

/// The elements of a JSON list.
struct JSONElements: RowSource {
  private let file: MappedFile
  private let ranges: [Range<Int>]

  init(_ file: MappedFile, at start: Int) throws(FormatError) {
    self.file = file
    var ranges: [Range<Int>] = []
    var at = JSONScanner.skipSpace(from: start + 1, in: file.bytes)
    var isOpen = at >= file.byteCount || file.bytes[at] != UInt8(ascii: "]")
    while isOpen {
      guard let end = JSONScanner.end(ofValueAt: at, in: file.bytes) else {
        throw FormatError(file.path, "line \(file.lineNumber(at: min(at, file.byteCount)))", "the list ends in the middle of an element")
      }
      ranges.append(at..<end)
      at = JSONScanner.skipSpace(from: end, in: file.bytes)
      guard at < file.byteCount, end > ranges[ranges.count - 1].lowerBound, [UInt8(ascii: ","), UInt8(ascii: "]")].contains(file.bytes[at])
      else {
        throw FormatError(
          file.path, "line \(file.lineNumber(at: min(at, file.byteCount)))", "expected ',' or ']' behind an element of the list")
      }
      isOpen = file.bytes[at] == UInt8(ascii: ",")
      if isOpen { at = JSONScanner.skipSpace(from: at + 1, in: file.bytes) }
    }
    if let rest = file.bytes[min(at + 1, file.byteCount)...].firstIndex(where: { !JSONScanner.isSpace($0) }) {
      throw FormatError(file.path, "line \(file.lineNumber(at: rest))", "text behind the end of the list")
    }
    self.ranges = ranges
  }

  var count: Int { ranges.count }
  func place(of index: Int) -> String { "row \(index + 1) (line \(file.lineNumber(at: ranges[index].lowerBound)))" }
  func row(_ index: Int) throws(RowError) -> JSON { try file.json(ranges[index]) }
}

/// A page of the datasets server ({"rows": [{"row": {…}}]}), columns ({"question": […], "answer": […]}, or as pandas writes them
/// {"question": {"0": …, "1": …}}), or one row.
struct JSONTable: RowSource {
  private let rows: [JSON]
  let note: String?

  init(_ value: JSON, path: String) throws(FormatError) {
    guard let object = value.object else {
      throw FormatError(path, nil, "must be a list of rows, columns, or JSON lines, not \(value.kind)")
    }
    if let entries = value["rows"]?.array, entries.allSatisfy({ $0.object != nil }) {
      for (i, entry) in entries.enumerated() {
        guard let cell = entry["truncated_cells"]?.array?.first else { continue }
        throw FormatError(
          path, "row \(i + 1): \(cell.string ?? "truncated_cells")",
          "was cut short by the datasets server; take the rows from the data set's own files")
      }
      rows = entries.map { $0["row"] ?? $0 }
      note = JSONTable.note(of: value, count: entries.count)
      return
    }
    note = nil
    let columns = object.members.compactMap { JSONTable.column($0.1) }
    guard columns.count == object.count, let first = columns.first, !first.cells.isEmpty,
      columns.allSatisfy({ $0.names == first.names && $0.cells.count == first.cells.count })
    else {
      rows = [value]
      return
    }
    rows = first.cells.indices.map { i in
      var row = JSON.Object()
      for (name, column) in zip(object.names, columns) { row[name] = column.cells[i] }
      return .object(row)
    }
  }

  /// A list, or an object whose names are whole numbers: the same ones in all columns of a table.
  private static func column(_ value: JSON) -> (names: [String]?, cells: [JSON])? {
    if let cells = value.array { return (nil, cells) }
    guard let object = value.object, object.names.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
      return nil
    }
    return (object.names, object.members.map(\.1))
  }

  private static func note(of page: JSON, count: Int) -> String? {
    if let total = page["num_rows_total"]?.int, total > count { return "holds \(count) of \(total) rows" }
    return page["partial"]?.bool == true ? "holds a part of the rows only" : nil
  }

  var count: Int { rows.count }
  func place(of index: Int) -> String { "row \(index + 1)" }
  func row(_ index: Int) throws(RowError) -> JSON { rows[index] }
}

/// Where values of JSON begin and end, without reading them.
enum JSONScanner {
  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

  /// Behind a byte order mark.
  static func start(of bytes: UnsafeRawBufferPointer) -> Int { bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0 }
  static func valueStart(in bytes: UnsafeRawBufferPointer) -> Int { skipSpace(from: start(of: bytes), in: bytes) }

  static func skipSpace(from start: Int, in bytes: UnsafeRawBufferPointer) -> Int {
    var at = start
    while at < bytes.count, isSpace(bytes[at]) { at += 1 }
    return at
  }

  /// One behind the value's last byte; nil where the bytes end first.
  static func end(ofValueAt start: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
    var (at, depth) = (start, 0)
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "\""):
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
        guard at < bytes.count else { return nil }
        at += 1
        if depth == 0 { return at }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return at }
        depth -= 1
        if depth == 0 { return at + 1 }
      case UInt8(ascii: ","), 0x20, 0x0a, 0x0d, 0x09:
        if depth == 0 { return at }
      default: break
      }
      at += 1
    }
    return depth == 0 ? at : nil
  }
}
