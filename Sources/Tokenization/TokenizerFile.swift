import JSON

/// A tokenizer.json taken apart: the vocabulary and the merges as tables, everything else as JSON.
struct TokenizerFile {
  /// The file with `null` for `model.vocab` and `model.merges`.
  let settings: JSON
  let pieces: PieceTable
  let merges: [PairTable.Merge]

  /// Ids may leave holes, but a file cannot make a table much larger than itself.
  static func idLimit(pieces: Int) -> Int { 4 * pieces + 65_536 }

  init(_ bytes: Bytes) throws(TokenizerError) {
    guard bytes.count < Int(Int32.max) else { throw .invalid("the file is larger than 2 GiB") }
    if let offset = firstInvalidUTF8(in: bytes) { throw .invalid("the file is not UTF-8 at byte \(offset)") }
    let (vocabulary, merges) = try Self.longMembers(of: bytes)

    // Blanks keep the byte offsets of later error messages right.
    var rest = Array(bytes)
    for range in [vocabulary, merges].compactMap({ $0 }) {
      for index in range { rest[index] = 0x20 }
      // Both start with a bracket and end with one, but "[]" is shorter than the word; 0 is as good, for nothing reads it.
      rest[range.lowerBound] = 0x30
    }
    do throws(JSONError) { settings = try JSON(parsing: rest) } catch { throw .invalid(error.description) }

    if let kind = settings["model"]?["type"], kind != "BPE" {
      throw .unsupported("model.type '\(kind.string ?? kind.text())'")
    }
    guard let vocabulary else { throw .invalid("model.vocab is missing or no object") }
    guard let merges else { throw .invalid("model.merges is missing or no array") }
    pieces = try Self.readVocabulary(bytes, at: vocabulary.lowerBound)
    self.merges = try Self.readMerges(bytes, at: merges.lowerBound, pieces: pieces)
  }

  /// Where the object `model.vocab` and the array `model.merges` lie.
  private static func longMembers(of bytes: Bytes) throws(TokenizerError) -> (vocabulary: Range<Int>?, merges: Range<Int>?) {
    var reader = JSONBytes(bytes)
    var vocabulary: Range<Int>?
    var merges: Range<Int>?
    try members(of: &reader) { (name, reader) throws(TokenizerError) in
      guard name == "model", reader.peek() == UInt8(ascii: "{") else { return try reader.skipValue() }
      try members(of: &reader) { (name, reader) throws(TokenizerError) in
        let first = reader.peek()
        let start = reader.at
        try reader.skipValue()
        if name == "vocab", first == UInt8(ascii: "{") { vocabulary = start..<reader.at }
        if name == "merges", first == UInt8(ascii: "[") { merges = start..<reader.at }
      }
    }
    return (vocabulary, merges)
  }

  /// Calls `body` at the value of each member; it steps over that value.
  private static func members(
    of reader: inout JSONBytes, _ body: (String, inout JSONBytes) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    try reader.expect(UInt8(ascii: "{"))
    if reader.take(UInt8(ascii: "}")) { return }
    var name: [UInt8] = []
    repeat {
      name.removeAll(keepingCapacity: true)
      try reader.string(into: &name)
      try reader.expect(UInt8(ascii: ":"))
      try body(String(decoding: name, as: UTF8.self), &reader)
    } while reader.take(UInt8(ascii: ","))
    try reader.expect(UInt8(ascii: "}"))
  }

  private static func readVocabulary(_ bytes: Bytes, at start: Int) throws(TokenizerError) -> PieceTable {
    var reader = JSONBytes(bytes, at: start)
    var text: [UInt8] = []
    var ends: [Int] = []
    var ids: [Int32] = []
    var highest: Int32 = -1
    try reader.expect(UInt8(ascii: "{"))
    if !reader.take(UInt8(ascii: "}")) {
      repeat {
        try reader.string(into: &text)
        try reader.expect(UInt8(ascii: ":"))
        ends.append(text.count)
        ids.append(try reader.natural())
        highest = max(highest, ids[ids.count - 1])
      } while reader.take(UInt8(ascii: ","))
      try reader.expect(UInt8(ascii: "}"))
    }
    guard Int(highest) < idLimit(pieces: ids.count) else {
      throw .invalid("model.vocab: the id \(highest) is far out of range for \(ids.count) pieces")
    }
    var table = PieceTable(idLimit: Int(highest) + 1, expecting: ids.count, textCapacity: text.count)
    var from = 0
    for (end, id) in zip(ends, ids) {
      let clash = text.withUnsafeBufferPointer { table.insert(Bytes(rebasing: $0[from..<end]), id: id) }
      if let clash {
        let piece = String(decoding: text[from..<end], as: UTF8.self)
        throw .invalid(clash == .id ? "model.vocab: the id \(id) appears twice" : "model.vocab: the piece '\(piece)' appears twice")
      }
      from = end
    }
    return table
  }

  /// Each merge is `["a", "b"]` or, in older files, `"a b"`.
  private static func readMerges(_ bytes: Bytes, at start: Int, pieces: PieceTable) throws(TokenizerError) -> [PairTable.Merge] {
    var reader = JSONBytes(bytes, at: start)
    var merges: [PairTable.Merge] = []
    var text: [UInt8] = []
    try reader.expect(UInt8(ascii: "["))
    if reader.take(UInt8(ascii: "]")) { return [] }
    repeat {
      text.removeAll(keepingCapacity: true)
      var middle: Int
      if reader.take(UInt8(ascii: "[")) {
        try reader.string(into: &text)
        middle = text.count
        try reader.expect(UInt8(ascii: ","))
        try reader.string(into: &text)
        try reader.expect(UInt8(ascii: "]"))
      } else {
        try reader.string(into: &text)
        middle = text.firstIndex(of: 0x20) ?? text.count
        if middle < text.count { text.remove(at: middle) }
        guard middle > 0, middle < text.count, !text.contains(0x20) else {
          throw .invalid("model.merges: number \(merges.count) is not two pieces with one space between")
        }
      }
      let ids = text.withUnsafeBufferPointer { text in
        (pieces.id(of: Bytes(rebasing: text[..<middle])), pieces.id(of: Bytes(rebasing: text[middle...])), pieces.id(of: text))
      }
      guard let left = ids.0, let right = ids.1, let merged = ids.2 else {
        let unknown = ids.0 == nil ? text[..<middle] : ids.1 == nil ? text[middle...] : text[...]
        throw .invalid("model.merges: number \(merges.count) names '\(String(decoding: unknown, as: UTF8.self))', which model.vocab lacks")
      }
      merges.append(PairTable.Merge(left: left, right: right, merged: merged))
    } while reader.take(UInt8(ascii: ","))
    try reader.expect(UInt8(ascii: "]"))
    return merges
  }
}
