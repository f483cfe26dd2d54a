extension Tokenizer {
  /// The ids of a text. Added tokens that stand in the text become their ids (as in the tokenizers library), so text from strangers
  /// should have them removed first. `template`: with what the post-processor puts around it, such as the begin token.
  public func encode(_ text: String, template: Bool = true) -> [Int32] {
    var text = text
    return text.withUTF8 { encode(wellFormed: $0, template: template) }
  }

  /// The same for bytes, which are checked to be UTF-8.
  public func encode(utf8 bytes: UnsafeBufferPointer<UInt8>, template: Bool = true) throws(TokenizerError) -> [Int32] {
    if let offset = firstInvalidUTF8(in: bytes) { throw .notUTF8(offset: offset) }
    return encode(wellFormed: bytes, template: template)
  }

  public func encode(utf8 bytes: [UInt8], template: Bool = true) throws(TokenizerError) -> [Int32] {
    try bytes.withUnsafeBufferPointer { (bytes) throws(TokenizerError) in try encode(utf8: bytes, template: template) }
  }

  /// The ids of a text that comes in parts, those of each part by itself, without the template: no token reaches across a border. Where none
  /// would anyway, the ids are those of the whole text: a part that goes on where text stopped gets no space of its own in front, as
  /// SentencePiece puts before a text. Added tokens are looked for inside each part.
  public func encode(parts: [String]) -> [[Int32]] {
    var place = Place()
    return workspaces.withWorkspace { workspace in
      parts.map { part in
        var (part, out) = (part, [Int32]())
        part.withUTF8 { encode(part: $0, at: &place, workspace, &out) }
        return out
      }
    }
  }

  private func encode(wellFormed text: Bytes, template: Bool) -> [Int32] {
    var out = template ? postProcessor.prefix : []
    out.reserveCapacity(text.count / 3 + 8)
    var place = Place()
    workspaces.withWorkspace { encode(part: text, at: &place, $0, &out) }
    if template { out += postProcessor.suffix }
    return out
  }

  /// What stands in front of a stretch of text.
  private struct Place {
    /// Nothing at all.
    var isBeginning = true
    /// Text, as it was before normalization, and no token that was looked for there.
    var continuesText = false
    /// Text, as it was after normalization, and no added token.
    var continuesWords = false

    static let behindToken = Place(isBeginning: false)
  }

  private func encode(part text: Bytes, at place: inout Place, _ workspace: Workspace, _ out: inout [Int32]) {
    rawTokens.forEachSection(of: text) { section in
      switch section {
      case .token(let id):
        out.append(id)
        place = .behindToken
      case .text(let range): encodeSection(Bytes(rebasing: text[range]), at: &place, workspace, &out)
      }
    }
  }

  /// Text between the tokens that are looked for before normalization.
  private func encodeSection(_ text: Bytes, at place: inout Place, _ workspace: Workspace, _ out: inout [Int32]) {
    var normalized = Array(text)
    for step in normalizers where !(place.continuesText && step.isPrepending) {
      normalized = step.apply(to: normalized, using: workspace.matching)
    }
    if normalizedTokens.isEmpty {
      encodeWords(of: normalized, at: &place, workspace, &out)
    } else {
      normalized.withUnsafeBufferPointer { text in
        normalizedTokens.forEachSection(of: text) { section in
          switch section {
          case .token(let id):
            out.append(id)
            place = .behindToken
          case .text(let range): encodeWords(of: Array(text[range]), at: &place, workspace, &out)
          }
        }
      }
    }
    place.continuesText = true
  }

  private func encodeWords(of text: [UInt8], at place: inout Place, _ workspace: Workspace, _ out: inout [Int32]) {
    var words = PreTokenizedText(text, isBeginning: place.isBeginning, continuesText: place.continuesWords)
    place = Place(isBeginning: false, continuesWords: true)
    for step in preTokenizers { words.apply(step, using: workspace.matching) }
    words.bytes.withUnsafeBufferPointer { bytes in
      for span in words.spans {
        let word = Bytes(rebasing: bytes[span])
        if model.cutsBeforeSpaces { encodeInParts(word, workspace, &out) } else { model.encode(word, using: workspace, into: &out) }
      }
    }
  }

  /// A word in which U+2581 stands for a space, cut where no merge reaches across.
  private func encodeInParts(_ word: Bytes, _ workspace: Workspace, _ out: inout [Int32]) {
    var start = 0
    var at = 0
    var isAfterOther = false
    while at < word.count {
      let isSpace = BytePairModel.isSpace(word, at)
      if isSpace, isAfterOther {
        model.encode(Bytes(rebasing: word[start..<at]), using: workspace, into: &out)
        start = at
      }
      isAfterOther = !isSpace
      at += scalarLength(word[at])
    }
    if start < word.count { model.encode(Bytes(rebasing: word[start...]), using: workspace, into: &out) }
  }
}
