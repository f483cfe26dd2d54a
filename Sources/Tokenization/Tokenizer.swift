import JSON

/// A tokenizer.json of the Llama family: byte-level BPE (Llama 3) or SentencePiece-style BPE with byte fallback (Llama 2), as the
/// tokenizers library reads it. A part it does not know is refused by name. Calls may come from many threads at once.
///
/// `truncation` and `padding` shape batches, not texts, and are not applied.
public struct Tokenizer: Sendable {
  let model: BytePairModel
  let normalizers: [Normalizer]
  let preTokenizers: [PreTokenizer]
  let decoders: [Decoder]?
  let postProcessor: PostProcessor
  let addedByID: [Int32: AddedToken]
  let addedByContent: [String: Int32]
  /// What an added token stands for in decoded text: its normalized form if it is looked for in that form, since it swallowed as much.
  let addedText: [Int32: [UInt8]]
  /// Tokens looked for in the text as given, and in the normalized text.
  let rawTokens: AddedTokenFinder
  let normalizedTokens: AddedTokenFinder
  let workspaces = WorkspacePool()

  /// Highest id + 1, added tokens included. An embedding matrix needs at least that many rows.
  public let vocabularySize: Int

  /// Reads the bytes of a tokenizer.json.
  public init(json bytes: [UInt8]) throws(TokenizerError) {
    try self.init(file: try bytes.withUnsafeBufferPointer { (bytes) throws(TokenizerError) in try TokenizerFile(bytes) })
  }

  /// The same from memory that someone else owns, such as a mapped file; it is not kept.
  public init(json bytes: UnsafeBufferPointer<UInt8>) throws(TokenizerError) { try self.init(file: try TokenizerFile(bytes)) }

  init(file: TokenizerFile) throws(TokenizerError) {
    let fields = try SettingsFields(
      file.settings, at: "tokenizer.json",
      known: ["version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"])
    normalizers = try Normalizer.steps(fields.value("normalizer"))
    preTokenizers = try PreTokenizer.steps(fields.value("pre_tokenizer"))
    decoders = try Decoder.steps(fields.value("decoder"))
    let model = try BytePairModel(
      fields.value("model"), pieces: file.pieces, merges: file.merges, isByteLevel: preTokenizers.contains(where: \.isByteLevel))
    self.model = model

    let added = try Self.addedTokens(fields, model.pieces)
    var byID: [Int32: AddedToken] = [:]
    var byContent: [String: Int32] = [:]
    var texts: [Int32: [UInt8]] = [:]
    var raw = AddedTokenFinder()
    var normalized = AddedTokenFinder()
    let state = MatchState()
    for token in added {
      byID[token.id] = token
      byContent[token.content] = token.id
      var text = Array(token.content.utf8)
      if token.isNormalized {
        for step in normalizers { text = step.apply(to: text, using: state) }
        normalized.add(token, as: text)
      } else {
        raw.add(token, as: text)
      }
      texts[token.id] = text
    }
    addedByID = byID
    addedByContent = byContent
    addedText = texts
    rawTokens = raw
    normalizedTokens = normalized
    vocabularySize = max(model.pieces.idLimit, 1 + Int(added.map(\.id).max() ?? -1))
    postProcessor = try PostProcessor(fields.value("post_processor")) { byID[$0] != nil || model.pieces.contains($0) }
  }

  private static func addedTokens(_ fields: SettingsFields, _ pieces: PieceTable) throws(TokenizerError) -> [AddedToken] {
    guard fields.value("added_tokens") != nil else { return [] }
    let list = try fields.array("added_tokens")
    var tokens: [AddedToken] = []
    var ids: Set<Int32> = []
    var contents: Set<[UInt8]> = []
    let idLimit = max(pieces.idLimit, TokenizerFile.idLimit(pieces: pieces.count + list.count))
    for (index, json) in list.enumerated() {
      let path = "added_tokens[\(index)]"
      let token = try AddedToken(json, at: path)
      let content = Array(token.content.utf8)
      guard !content.isEmpty else { throw .invalid("\(path).content is empty") }
      guard Int(token.id) < idLimit else { throw .invalid("\(path).id \(token.id) is far out of range for \(pieces.count) pieces") }
      guard ids.insert(token.id).inserted else { throw .invalid("\(path).id \(token.id) appears twice") }
      guard contents.insert(content).inserted else { throw .invalid("\(path).content '\(token.content)' appears twice") }
      if let other = pieces.bytes(of: token.id), other != content {
        throw .invalid("\(path).id \(token.id) is '\(String(decoding: other, as: UTF8.self))' in model.vocab, here '\(token.content)'")
      }
      if let other = pieces.id(of: content), other != token.id {
        throw .invalid("\(path).content '\(token.content)' has the id \(other) in model.vocab, here \(token.id)")
      }
      tokens.append(token)
    }
    return tokens
  }

  /// What the template puts in front of a text.
  public var bosTokens: [Int32] { postProcessor.prefix }

  /// What the template puts behind a text.
  public var endTokens: [Int32] { postProcessor.suffix }

  /// The piece as stored in the file; nil when no token has that id.
  public func piece(_ id: Int32) -> String? {
    addedByID[id]?.content ?? model.pieces.bytes(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The id of a piece as stored in the file.
  public func id(of piece: String) -> Int32? { addedByContent[piece] ?? model.pieces.id(of: Array(piece.utf8)) }

  /// Whether the token is left out by `decode(_:skipSpecial: true)`. The tokenizers library 0.23 leaves special tokens with
  /// `normalized: true` in, since it looks for their normalized form among the names; here the id decides.
  public func isSpecial(_ id: Int32) -> Bool { addedByID[id]?.isSpecial ?? false }

  /// What the decoders start from.
  func pieceBytes(_ id: Int32) -> [UInt8]? { addedText[id] ?? model.pieces.bytes(of: id) }
}
