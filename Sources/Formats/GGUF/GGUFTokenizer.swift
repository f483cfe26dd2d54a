import JSON

/// The tokenizer.json that says what a GGUF file's tokenizer metadata say.
struct GGUFTokenizer {
  private(set) var json: [UInt8] = []

  /// SentencePiece itself stops at 16 characters; a limit keeps the search for pairs short whatever the file holds.
  private static let longestPiece = 512

  private let metadata: GGUFMetadata
  private let pieces: [String]
  private let kinds: [GGUFTokenKind]
  private let config: LlamaConfig

  /// nil for a file without a tokenizer.
  /// - Parameter config: of the model, for its begin token and its number of embeddings.
  init?(_ metadata: GGUFMetadata, _ config: LlamaConfig) throws(FormatError) {
    guard let model = try metadata.string("tokenizer.ggml.model"), model != "none", model != "no_vocab" else { return nil }
    guard let pieces = try metadata.strings("tokenizer.ggml.tokens") else { throw metadata.error("tokenizer.ggml.tokens", "is missing") }
    guard !pieces.isEmpty else { throw metadata.error("tokenizer.ggml.tokens", "is empty") }
    guard pieces.count <= config.vocabularySize else {
      throw metadata.error("tokenizer.ggml.tokens", "has \(pieces.count) tokens, the model has \(config.vocabularySize) embeddings")
    }
    let numbers = try metadata.ints("tokenizer.ggml.token_type", in: 0...255) ?? Array(repeating: 1, count: pieces.count)
    guard numbers.count == pieces.count else {
      throw metadata.error("tokenizer.ggml.token_type", "has \(numbers.count) entries for \(pieces.count) tokens")
    }
    self.metadata = metadata
    self.pieces = pieces
    kinds = numbers.map { GGUFTokenKind(rawValue: $0) ?? .normal }
    self.config = config
    switch model {
    case "gpt2": json = try byteLevel()
    case "llama": json = try sentencePiece()
    default: throw metadata.error("tokenizer.ggml.model", "'\(model)' is not supported; gpt2 and llama are")
    }
  }

  private func byteLevel() throws(FormatError) -> [UInt8] {
    let key = "tokenizer.ggml.pre"
    guard let name = try metadata.string(key) else { throw metadata.error(key, "is missing; which way to cut words is not known") }
    guard let way = GGUFPreTokenizer.all.first(where: { $0.names.contains(name) }) else {
      let known = GGUFPreTokenizer.all.flatMap(\.names).joined(separator: ", ")
      throw metadata.error(key, "'\(name)' is not supported; these are: \(known)")
    }
    guard let lines = try metadata.strings("tokenizer.ggml.merges") else { throw metadata.error("tokenizer.ggml.merges", "is missing") }
    var text = JSONText()
    text.open("{")
    common(&text, normalizer: nil, preTokenizer: way.json, decoder: ["type": "ByteLevel"], begins: try addsBegin(way.addsBegin))
    try text.member("post_processor", postProcessor(way.addsBegin))
    model(
      &text, ["unk_token": nil, "fuse_unk": false, "byte_fallback": false, "ignore_merges": .bool(way.ignoresMerges)],
      isPiece: { $0 == .normal || $0 == .byte || $0 == .unknown || $0 == .unused })
    text.name("merges")
    text.open("[")
    for (index, line) in lines.enumerated() {
      let bytes = Array(line.utf8)
      // A piece may begin with the blank itself.
      guard let middle = bytes.dropFirst().firstIndex(of: 0x20), middle + 1 < bytes.count else {
        throw metadata.error("tokenizer.ggml.merges", "number \(index) is not two pieces with one space between")
      }
      text.element([
        .string(String(decoding: bytes[..<middle], as: UTF8.self)), .string(String(decoding: bytes[(middle + 1)...], as: UTF8.self)),
      ])
    }
    text.close("]}}")
    return text.bytes
  }

  private func sentencePiece() throws(FormatError) -> [UInt8] {
    guard let scores = try metadata.doubles("tokenizer.ggml.scores"), scores.count == pieces.count else {
      throw metadata.error("tokenizer.ggml.scores", "must be there with a score for each of \(pieces.count) tokens")
    }
    let bytes = pieces.map { Array($0.utf8) }
    if let long = bytes.firstIndex(where: { $0.count > GGUFTokenizer.longestPiece }) {
      throw metadata.error(
        "tokenizer.ggml.tokens", "token \(long) has \(bytes[long].count) bytes; at most \(GGUFTokenizer.longestPiece) are allowed")
    }
    let unknown = try metadata.int("tokenizer.ggml.unknown_token_id", in: 0...pieces.count - 1) ?? kinds.firstIndex(of: .unknown)
    let space = "\u{2581}"
    let addsSpace = try metadata.bool("tokenizer.ggml.add_space_prefix") ?? true
    let spaces: JSON = ["type": "Replace", "pattern": ["String": " "], "content": .string(space)]
    let prefix: [JSON] = addsSpace ? [["type": "Prepend", "prepend": .string(space)]] : []
    let strip: [JSON] = addsSpace ? [["type": "Strip", "content": " ", "start": 1, "stop": 0]] : []
    let decoder: [JSON] =
      [["type": "Replace", "pattern": ["String": .string(space)], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"]] + strip
    var text = JSONText()
    text.open("{")
    common(
      &text, normalizer: ["type": "Sequence", "normalizers": .array(prefix + [spaces])], preTokenizer: nil,
      decoder: ["type": "Sequence", "decoders": .array(decoder)], begins: try addsBegin(true))
    try text.member("post_processor", postProcessor(true))
    model(
      &text,
      [
        "unk_token": unknown.map { .string(pieces[$0]) } ?? nil, "fuse_unk": true, "byte_fallback": .bool(kinds.contains(.byte)),
        "ignore_merges": false,
      ], isPiece: { _ in true })
    text.name("merges")
    text.open("[")
    for (left, right) in SentencePieceMerges.pairs(bytes, scores: scores, isMade: { isWritten($0) && kinds[$0] == .normal }) {
      text.element([.string(pieces[left]), .string(pieces[right])])
    }
    text.close("]}}")
    return text.bytes
  }

  /// Whether the token is more than a filler of the embedding's rows.
  private func isWritten(_ id: Int) -> Bool { !pieces[id].isEmpty && !(kinds[id] == .unused && pieces[id].hasPrefix("[PAD")) }

  private func common(_ text: inout JSONText, normalizer: JSON?, preTokenizer: JSON?, decoder: JSON, begins: Bool) {
    text.member("version", "1.0")
    text.member("truncation", nil)
    text.member("padding", nil)
    text.name("added_tokens")
    text.open("[")
    for id in pieces.indices where isWritten(id) && [.control, .unknown, .userDefined].contains(kinds[id]) {
      text.element([
        "id": .int(id), "content": .string(pieces[id]), "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": .bool(kinds[id] != .userDefined),
      ])
    }
    text.close("]")
    text.member("normalizer", normalizer)
    text.member("pre_tokenizer", preTokenizer)
    text.member("decoder", decoder)
  }

  /// Everything of `model` but its merges; the object stays open.
  private func model(_ text: inout JSONText, _ settings: JSON, isPiece: (GGUFTokenKind) -> Bool) {
    text.name("model")
    text.open("{")
    text.member("type", "BPE")
    text.member("dropout", nil)
    text.member("continuing_subword_prefix", nil)
    text.member("end_of_word_suffix", nil)
    for (name, value) in settings.object!.members { text.member(name, value) }
    text.name("vocab")
    text.open("{")
    for id in pieces.indices where isWritten(id) && isPiece(kinds[id]) { text.member(pieces[id], .int(id)) }
    text.close("}")
  }

  private func addsBegin(_ usual: Bool) throws(FormatError) -> Bool { try metadata.bool("tokenizer.ggml.add_bos_token") ?? usual }

  private func postProcessor(_ usuallyBegins: Bool) throws(FormatError) -> JSON? {
    func token(_ id: Int?, _ key: String) throws(FormatError) -> (name: String, id: Int) {
      guard let id, id < pieces.count, isWritten(id) else { throw metadata.error(key, "is true, but there is no such token") }
      return (pieces[id], id)
    }
    var before: [(name: String, id: Int)] = []
    var behind: [(name: String, id: Int)] = []
    if try addsBegin(usuallyBegins) { before.append(try token(config.bosToken, "tokenizer.ggml.add_bos_token")) }
    if try metadata.bool("tokenizer.ggml.add_eos_token") ?? false {
      behind.append(try token(config.endToken, "tokenizer.ggml.add_eos_token"))
    }
    guard !before.isEmpty || !behind.isEmpty else { return nil }
    func part(_ name: String, _ sequence: Int) -> JSON { ["SpecialToken": ["id": .string(name), "type_id": .int(sequence)]] }
    func text(_ name: String, _ sequence: Int) -> JSON { ["Sequence": ["id": .string(name), "type_id": .int(sequence)]] }
    func one(_ name: String, _ sequence: Int) -> [JSON] {
      before.map { part($0.name, sequence) } + [text(name, sequence)] + behind.map { part($0.name, sequence) }
    }
    var tokens: JSON.Object = [:]
    for (name, id) in before + behind { tokens[name] = ["id": .string(name), "ids": [.int(id)], "tokens": [.string(name)]] }
    return [
      "type": "TemplateProcessing", "single": .array(one("A", 0)), "pair": .array(one("A", 0) + one("B", 1)),
      "special_tokens": .object(tokens),
    ]
  }
}

/// JSON that is written as it is made: a vocabulary of 128,000 names would otherwise be a dictionary first.
private struct JSONText {
  private(set) var bytes: [UInt8] = []
  private var isFirst = true

  mutating func open(_ bracket: String) {
    separate()
    bytes += Array(bracket.utf8)
    isFirst = true
  }

  mutating func close(_ brackets: String) {
    bytes += Array(brackets.utf8)
    isFirst = false
  }

  mutating func name(_ name: String) {
    separate()
    bytes += Array(JSON.string(name).text().utf8) + [UInt8(ascii: ":")]
    isFirst = true
  }

  mutating func member(_ name: String, _ value: JSON?) {
    self.name(name)
    element(value ?? .null)
  }

  mutating func element(_ value: JSON) {
    separate()
    bytes += Array(value.text().utf8)
  }

  private mutating func separate() {
    if !isFirst, !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
  }
}
