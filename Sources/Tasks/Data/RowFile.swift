import Formats
import JSON

/// Rows of a data file: JSON lines, a JSON list, the columns or pages that `datasets` and its server write, CSV. The file stays mapped and rows
/// are parsed when asked for.
final class RowFile: Sendable {
  let path: String
  let count: Int
  /// SHA-256 of its bytes, those of its labels included.
  let digest: String
  /// Answers that lie in a file beside it.
  let labels: LabelRows?
  private let rows: any RowSource

  /// A file that is read whole, because its rows do not lie one after another; in memory it is several times as large.
  private static let largestDocument = 128 << 20

  /// - Parameter headers: for CSV: what tells whether the first line names the columns.
  init(path: String, headers: CSVRows.Headers) throws(FormatError) {
    (self.path, labels) = (path, nil)
    let file = try MappedFile(path: path)
    var hash = SHA256()
    hash.update(file.bytes)
    digest = hash.hexDigest()
    if path.hasSuffix(".csv") {
      rows = try CSVRows(file, headers: headers)
    } else if path.hasSuffix(".jsonl") {
      rows = JSONLines(file)
    } else if path.hasSuffix(".txt") {
      rows = TextLines(file)
    } else {
      rows = try RowFile.rows(of: file)
    }
    count = rows.count
    guard count > 0 else { throw FormatError(path, nil, "holds no rows") }
  }

  /// The rows of `file` with an answer each.
  init(_ file: RowFile, _ labels: LabelRows) {
    (path, count, rows, self.labels) = (file.path, file.count, file.rows, labels)
    var hash = SHA256()
    hash.update(file.digest + labels.digest)
    digest = hash.hexDigest()
  }

  /// Rows that are made, not read.
  init(_ ladder: ArithmeticLadder, examples: Bool) {
    path = RowFile.path(of: ladder.style, examples: examples)
    labels = nil
    let made =
      examples ? ladder.rows.map(\.depth).reduce(into: Set<Int>()) { $0.insert($1) }.sorted().flatMap(ladder.examples) : ladder.rows
    let rows = made.map { row -> JSON in
      ["question": .string(row.question), "answer": .string(row.answer), "result": .int(row.result), "depth": .int(row.depth)]
    }
    var hash = SHA256()
    for row in rows { hash.update(row.text() + "\n") }
    (digest, count) = (hash.hexDigest(), rows.count)
    self.rows = MadeRows(rows: rows)
  }

  /// What stands for a path in messages about a ladder.
  static func path(of style: ArithmeticLadder.Style, examples: Bool) -> String {
    "arithmetic ladder, \(style.rawValue)\(examples ? ", examples" : "")"
  }

  /// What is read for its rows.
  var paths: [String] { [path] + (labels.map { [$0.path] } ?? []) }

  /// That it holds a part of its data set only.
  var note: String? { rows.note.map { "\(path) \($0)" } }

  /// The row's fields.
  func row(_ index: Int) throws(FormatError) -> JSON.Object {
    let value: JSON
    do throws(RowError) { value = try rows.row(index) } catch { throw FormatError(path, rows.place(of: index), error.reason) }
    guard var object = value.object else {
      throw FormatError(path, rows.place(of: index), "must be an object with named fields, not \(value.kind)")
    }
    if let labels { object[labels.field] = .int(labels.label(index)) }
    return object
  }

  /// "line 7"
  func place(of index: Int) -> String { rows.place(of: index) }

  /// A `.json` file is whatever its first value says.
  private static func rows(of file: MappedFile) throws(FormatError) -> any RowSource {
    let start = JSONScanner.valueStart(in: file.bytes)
    if start < file.byteCount, file.bytes[start] == UInt8(ascii: "[") { return try JSONElements(file, at: start) }
    let end = JSONScanner.end(ofValueAt: start, in: file.bytes)
    if let end, file.bytes[end...].contains(where: { !JSONScanner.isSpace($0) }) { return JSONLines(file) }
    guard file.byteCount <= largestDocument else {
      throw FormatError(file.path, nil, "is one JSON value of \(file.byteCount >> 20) MiB; write it as JSON lines (one row a line)")
    }
    let value: JSON
    do throws(JSONError) { value = try JSON(parsing: UnsafeBufferPointer(rebasing: file.bytes.bindMemory(to: UInt8.self)[start...])) } catch
    {
      throw FormatError(file.path, nil, error.description)
    }
    return try JSONTable(value, path: file.path)
  }
}

/// Why a row cannot be read.
struct RowError: Error { let reason: String }

protocol RowSource: Sendable {
  var count: Int { get }
  func row(_ index: Int) throws(RowError) -> JSON
  /// "line 7", "row 3"
  func place(of index: Int) -> String
  /// "holds 100 of 5000 rows": what the file itself says of what it lacks.
  var note: String? { get }
}

extension RowSource {
  var note: String? { nil }
}

/// Rows that lie in memory.
private struct MadeRows: RowSource {
  let rows: [JSON]
  var count: Int { rows.count }
  func row(_ index: Int) throws(RowError) -> JSON { rows[index] }
  func place(of index: Int) -> String { "row \(index + 1)" }
}

extension MappedFile {
  /// One value of JSON that fills `range`.
  func json(_ range: Range<Int>) throws(RowError) -> JSON {
    do throws(JSONError) { return try JSON(parsing: UnsafeBufferPointer(rebasing: bytes.bindMemory(to: UInt8.self)[range])) } catch {
      throw RowError(reason: error.description)
    }
  }

  func lineNumber(at offset: Int) -> Int { 1 + bytes[..<offset].count { $0 == 0x0a } }
}
