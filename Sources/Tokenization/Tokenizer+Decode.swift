extension Tokenizer {
  /// The text of ids; ids without a token are left out, and bytes that are not UTF-8 become U+FFFD, as in the tokenizers library.
  public func decode(_ ids: [Int32], skipSpecial: Bool = false) -> String {
    var pieces: [[UInt8]] = []
    pieces.reserveCapacity(ids.count)
    for id in ids {
      if skipSpecial, isSpecial(id) { continue }
      if let piece = pieceBytes(id) { pieces.append(piece) }
    }
    guard let decoders else { return String(decoding: Array(pieces.joined(separator: [0x20])), as: UTF8.self) }
    return workspaces.withWorkspace { workspace in
      for step in decoders { pieces = step.apply(to: pieces, using: workspace.matching) }
      return String(decoding: Array(pieces.joined()), as: UTF8.self)
    }
  }

  /// Whether `decode` drops the space at the very beginning of a text: SentencePiece puts one before every text.
  public var dropsFirstSpace: Bool {
    (decoders ?? []).contains { step in
      switch step {
      case .strip(let content, let start, _): content == [0x20] && start > 0
      case .metaspace(_, let dropsFirst): dropsFirst
      case .byteLevel, .replace, .byteFallback, .fuse: false
      }
    }
  }

  /// The bytes one token adds to the output, which need not be whole characters: for text that is shown while it is made. What `decode`
  /// does at the ends of a text (dropping the first space) is left to the caller. Empty for an id without a token.
  public func decodeBytes(_ id: Int32) -> [UInt8] {
    guard var piece = pieceBytes(id) else { return [] }
    guard addedByID[id] == nil else { return piece }
    return workspaces.withWorkspace { workspace in
      for step in decoders ?? [] {
        switch step {
        case .byteLevel: piece = Decoder.byteLevelBytes(piece)
        case .byteFallback: if let byte = Decoder.fallbackByte(piece) { return [byte] }
        case .replace: piece = step.apply(to: [piece], using: workspace.matching)[0]
        case .metaspace(let replacement, _):
          piece = Decoder.metaspace(replacement, dropsFirst: false).apply(to: [piece], using: workspace.matching)[0]
        case .fuse, .strip: break
        }
      }
      return piece
    }
  }
}
