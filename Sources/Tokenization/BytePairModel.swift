import JSON

/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) as the tokenizers library does it.
struct BytePairModel: Sendable {
  let pieces: PieceTable
  let pairs: PairTable
  /// Words are raw bytes, each a symbol of its own (GPT-2), rather than UTF-8 text whose characters are the symbols.
  let isByteLevel: Bool
  /// A word that is a piece as it stands is not built by merges.
  let ignoresMerges: Bool
  /// Byte → id. Byte-level: the byte's own piece. Otherwise the fallback piece "<0x0A>". -1: none.
  private let byteIDs: [Int32]
  /// ASCII character → id of the piece that is just it, -1: none. Unused at byte level.
  private let asciiIDs: [Int32]
  private let unknown: Int32?
  private let fusesUnknown: Bool
  /// Text may be cut before each U+2581 that does not follow another: no merge reaches across (see `neverMergesIntoSpace`).
  let cutsBeforeSpaces: Bool

  static let space: [UInt8] = Array("\u{2581}".utf8)

  init(_ json: JSON?, pieces: PieceTable, merges: [PairTable.Merge], isByteLevel: Bool) throws(TokenizerError) {
    let fields = try SettingsFields(
      json, at: "model",
      known: [
        "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
        "vocab", "merges",
      ])
    if let dropout = fields.value("dropout"), dropout.double != 0 { throw .unsupported("model.dropout \(dropout.text())") }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = fields.value(name), affix != "" { throw .unsupported("model.\(name) \(affix.text())") }
    }
    let fallsBack = try fields.bool("byte_fallback", default: false)
    if fallsBack, isByteLevel { throw .unsupported("model.byte_fallback together with the ByteLevel pre-tokenizer") }
    if let name = try fields.optionalString("unk_token") {
      guard let id = pieces.id(of: Array(name.utf8)) else { throw .invalid("model.unk_token '\(name)' is not in model.vocab") }
      unknown = id
    } else {
      unknown = nil
    }
    fusesUnknown = try fields.bool("fuse_unk", default: false)
    ignoresMerges = try fields.bool("ignore_merges", default: false)
    self.isByteLevel = isByteLevel
    self.pieces = pieces
    pairs = PairTable(merges)
    byteIDs = (0..<256).map { byte in
      if isByteLevel { return pieces.id(of: ByteLevelAlphabet.encoded[byte]) ?? -1 }
      guard fallsBack else { return -1 }
      let digits = String(byte, radix: 16, uppercase: true)
      return pieces.id(of: Array("<0x\(byte < 16 ? "0" : "")\(digits)>".utf8)) ?? -1
    }
    asciiIDs = (0..<128).map { pieces.id(of: [UInt8($0)]) ?? -1 }
    cutsBeforeSpaces =
      !isByteLevel && !ignoresMerges && pieces.id(of: Self.space) != nil && Self.neverMergesIntoSpace(merges, pieces)
  }

  /// A merge across a cut would yield a piece with U+2581 right after something else. With `ignore_merges` a whole text may be one piece,
  /// so no cut is safe then.
  private static func neverMergesIntoSpace(_ merges: [PairTable.Merge], _ pieces: PieceTable) -> Bool {
    merges.allSatisfy { merge in
      pieces.withPiece(merge.merged) { piece in
        var at = 0
        var isAfterOther = false
        while at < piece.count {
          let isSpace = isSpace(piece, at)
          if isSpace, isAfterOther { return false }
          isAfterOther = !isSpace
          at += scalarLength(piece[at])
        }
        return true
      } ?? true
    }
  }

  @inline(__always) static func isSpace(_ bytes: Bytes, _ at: Int) -> Bool {
    bytes.count - at >= 3 && bytes[at] == 0xe2 && bytes[at + 1] == 0x96 && bytes[at + 2] == 0x81
  }

  /// Appends the ids of one pre-tokenized word.
  func encode(_ word: Bytes, using workspace: Workspace, into out: inout [Int32]) {
    let hash = hashed(word)
    if workspace.cache.append(word, hash: hash, to: &out) { return }
    let start = out.count
    if ignoresMerges, let id = wholePiece(word, scratch: &workspace.scratch) {
      out.append(id)
    } else {
      symbols(of: word, into: &workspace.merging.ids)
      workspace.merging.merge(with: pairs)
      out.append(contentsOf: workspace.merging.ids)
    }
    workspace.cache.insert(word, hash: hash, ids: out[start...])
  }

  private func wholePiece(_ word: Bytes, scratch: inout [UInt8]) -> Int32? {
    guard isByteLevel else { return pieces.id(of: word) }
    scratch.removeAll(keepingCapacity: true)
    ByteLevelAlphabet.encode(word, into: &scratch)
    return pieces.id(of: scratch)
  }

  /// One id per character (or byte); characters without a piece become their bytes' pieces, or the unknown piece, or nothing at all when
  /// the model has neither. An unknown piece that waits to be fused comes after byte pieces that follow it: the library's order.
  private func symbols(of word: Bytes, into ids: inout [Int32]) {
    ids.removeAll(keepingCapacity: true)
    var waitingUnknown: Int32?
    var at = 0
    while at < word.count {
      let lead = word[at]
      let next: Int
      let id: Int32
      if isByteLevel {
        next = at + 1
        id = byteIDs[Int(lead)]
      } else if lead < 0x80 {
        next = at + 1
        id = asciiIDs[Int(lead)]
      } else {
        next = min(at + scalarLength(lead), word.count)
        id = pieces.id(of: Bytes(rebasing: word[at..<next])) ?? -1
      }
      if id >= 0 {
        if let unknown = waitingUnknown.take() { ids.append(unknown) }
        ids.append(id)
      } else if !isByteLevel, word[at..<next].allSatisfy({ byteIDs[Int($0)] >= 0 }) {
        for byte in word[at..<next] { ids.append(byteIDs[Int(byte)]) }
      } else if let unknown {
        if waitingUnknown != nil, !fusesUnknown { ids.append(unknown) }
        waitingUnknown = unknown
      }
      at = next
    }
    if let waitingUnknown { ids.append(waitingUnknown) }
  }
}
