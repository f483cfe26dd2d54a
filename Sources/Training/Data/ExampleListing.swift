import Tokenization

extension TrainingExample {
  /// The example for people: its pieces in order, lines of scored ones marked by `>`.
  ///
  ///     line 3: 12 tokens, 4 of them scored (>)
  ///       <|begin_of_text|>│Question│:│ What│ is│ 2│+│2│?│\n
  ///       Answer│:
  ///     > │ 4│<|end_of_text|>
  ///
  /// - Parameter width: columns after which a line is broken, between pieces. A line also ends where the text has one.
  public func listing(_ tokenizer: Tokenizer, width: Int = 100) -> String {
    var lines = ["\(place): \(ids.count) tokens, \(scored) of them scored (>)"]
    var line: [String] = []
    var isLineScored = false
    func finish() {
      if !line.isEmpty { lines.append((isLineScored ? "> " : "  ") + line.joined(separator: "│")) }
      line = []
    }
    for (id, isScored) in zip(ids, isScored) {
      let piece = TrainingExample.printable(tokenizer.decodeBytes(id))
      let columns = line.reduce(2) { $0 + $1.count + 1 } + piece.count
      if isScored != isLineScored || columns > width { finish() }
      isLineScored = isScored
      line.append(piece)
      if piece.hasSuffix("\\n") { finish() }
    }
    finish()
    return lines.map { $0 + "\n" }.joined()
  }

  /// Bytes on one line: what is no printable text is spelt out.
  private static func printable(_ bytes: [UInt8]) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return bytes.map { $0 >= 0x20 && $0 < 0x7f ? String(Unicode.Scalar($0)) : "\\x" + hex($0) }.joined()
    }
    return text.unicodeScalars.map { scalar in
      switch scalar {
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) || scalar.properties.generalCategory == .format:
        "\\u{" + String(scalar.value, radix: 16) + "}"
      default: String(scalar)
      }
    }.joined()
  }

  private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
