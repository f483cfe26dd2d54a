import Formats
import JSON

/// Comma-separated values (RFC 4180): fields in quotes may hold commas, line ends and doubled quotes. Every field is a text.
struct CSVRows: RowSource {
  /// What tells a line of names from a row.
  struct Headers: Sendable, Equatable, Hashable {
    /// Names of which one set must stand in the first line.
    var fields: [[String]] = []
    /// What the columns are called where the first line is a row.
    var columns: [[String]] = []
  }

  private let file: MappedFile
  private let starts: [Int]
  private let names: [String]

  private static let mostColumns = 1000

  init(_ file: MappedFile, headers: Headers) throws(FormatError) {
    self.file = file
    var starts: [Int] = []
    var at = JSONScanner.start(of: file.bytes)
    while at < file.byteCount {
      let end = CSVRows.end(ofRecordAt: at, in: file.bytes)
      if file.bytes[at..<end].contains(where: { $0 != 0x0a && $0 != 0x0d }) { starts.append(at) }
      at = end
    }
    guard let first = starts.first else { throw FormatError(file.path, nil, "holds no rows") }
    let record: [String]
    do throws(RowError) { record = try CSVRows.record(at: first, in: file.bytes) } catch {
      throw FormatError(file.path, "line 1", error.reason)
    }
    let isHeader = headers.fields.contains { fields in !fields.isEmpty && fields.allSatisfy { record.contains($0) } }
    if !isHeader, let columns = headers.columns.first(where: { $0.count == record.count }) {
      (names, self.starts) = (columns, starts)
    } else {
      guard Set(record).count == record.count else { throw FormatError(file.path, "line 1", "names a column twice") }
      (names, self.starts) = (record, Array(starts.dropFirst()))
    }
  }

  var count: Int { starts.count }
  func place(of index: Int) -> String { "line \(file.lineNumber(at: starts[index]))" }

  func row(_ index: Int) throws(RowError) -> JSON {
    let record = try CSVRows.record(at: starts[index], in: file.bytes)
    guard record.count == names.count else {
      throw RowError(reason: "has \(record.count) field\(record.count == 1 ? "" : "s"), and there are \(names.count) columns")
    }
    var row = JSON.Object()
    for (name, value) in zip(names, record) { row[name] = .string(value) }
    return .object(row)
  }

  /// Behind the line end that closes it.
  private static func end(ofRecordAt start: Int, in bytes: UnsafeRawBufferPointer) -> Int {
    var (at, isQuoted, isFieldStart) = (start, false, true)
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      if isQuoted {
        guard byte == UInt8(ascii: "\"") else { continue }
        if at < bytes.count, bytes[at] == byte { at += 1 } else { isQuoted = false }
      } else if byte == 0x0a {
        return at
      } else {
        isQuoted = isFieldStart && byte == UInt8(ascii: "\"")
        isFieldStart = byte == UInt8(ascii: ",")
      }
    }
    return bytes.count
  }

  private static func record(at start: Int, in bytes: UnsafeRawBufferPointer) throws(RowError) -> [String] {
    var fields: [String] = []
    var at = start
    while true {
      guard fields.count < mostColumns else { throw RowError(reason: "has more than \(mostColumns) fields") }
      var field: [UInt8] = []
      if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
        at += 1
        while true {
          guard at < bytes.count else { throw RowError(reason: "a field in quotes has no closing quote") }
          if bytes[at] != UInt8(ascii: "\"") {
            field.append(bytes[at])
          } else if at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "\"") {
            field.append(bytes[at])
            at += 1
          } else {
            at += 1
            break
          }
          at += 1
        }
      } else {
        while at < bytes.count, bytes[at] != UInt8(ascii: ","), bytes[at] != 0x0a, bytes[at] != 0x0d || !isLineEnd(at + 1, bytes) {
          field.append(bytes[at])
          at += 1
        }
      }
      guard let text = String(validating: field, as: UTF8.self) else { throw RowError(reason: "field \(fields.count + 1) is not UTF-8") }
      fields.append(text)
      if at < bytes.count, bytes[at] == UInt8(ascii: ",") {
        at += 1
        continue
      }
      guard at >= bytes.count || bytes[at] == 0x0a || bytes[at] == 0x0d else {
        throw RowError(reason: "field \(fields.count) goes on behind its closing quote")
      }
      return fields
    }
  }

  private static func isLineEnd(_ at: Int, _ bytes: UnsafeRawBufferPointer) -> Bool { at >= bytes.count || bytes[at] == 0x0a }
}
