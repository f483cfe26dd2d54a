import Formats
import JSON

/// Lines of a text, each of which is a row with the field "text". Blank ones are left out.
struct TextLines: RowSource {
  private let file: MappedFile
  private let ranges: [Range<Int>]

  init(_ file: MappedFile) {
    self.file = file
    ranges = TextLines.lines(of: file.bytes).filter { !file.bytes[$0].allSatisfy(JSONScanner.isSpace) }
  }

  /// Without their ends, which are LF or CR LF; a byte order mark in front and a line end behind everything belong to none.
  static func lines(of bytes: UnsafeRawBufferPointer) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var start = JSONScanner.start(of: bytes)
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 0x0a) ?? bytes.count
      lines.append(start..<(end > start && bytes[end - 1] == 0x0d ? end - 1 : end))
      start = end + 1
    }
    return lines
  }

  var count: Int { ranges.count }
  func place(of index: Int) -> String { "line \(file.lineNumber(at: ranges[index].lowerBound))" }

  func row(_ index: Int) throws(RowError) -> JSON {
    guard let text = String(validating: file.bytes[ranges[index]], as: UTF8.self) else { throw RowError(reason: "is not UTF-8") }
    return ["text": .string(text)]
  }
}
