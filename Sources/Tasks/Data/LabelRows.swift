import Formats

/// Answers in a file beside that of the rows, a whole number a line (PIQA's "valid-labels.lst"). Four bytes of memory a row.
struct LabelRows: Sendable {
  let path: String
  /// What they are called in a row.
  let field: String
  let digest: String
  private let labels: [Int32]

  /// - Parameter count: of rows; there is a label for each.
  init(path: String, field: String, count: Int) throws(FormatError) {
    (self.path, self.field) = (path, field)
    let file = try MappedFile(path: path)
    var hash = SHA256()
    hash.update(file.bytes)
    digest = hash.hexDigest()
    // Before there is one in memory.
    let there = file.bytes.count { $0 == 0x0a } + (file.bytes.last.map { $0 == 0x0a ? 0 : 1 } ?? 0)
    guard there == count else {
      throw FormatError(path, nil, "has \(there) label\(there == 1 ? "" : "s") for \(count) row\(count == 1 ? "" : "s")")
    }
    var labels: [Int32] = []
    for line in TextLines.lines(of: file.bytes) {
      let text = String(decoding: file.bytes[line].prefix(40), as: UTF8.self)
      let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
      guard line.count < 12, !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }), let label = Int32(text) else {
        throw FormatError(path, "line \(labels.count + 1)", text.isEmpty ? "is empty; a label is missing" : "'\(text)' is no whole number")
      }
      labels.append(label)
    }
    guard labels.count == count else { throw FormatError(path, nil, "holds nothing but a byte order mark") }
    self.labels = labels
  }

  func label(_ index: Int) -> Int { Int(labels[index]) }
  func place(of index: Int) -> String { "line \(index + 1)" }
}
