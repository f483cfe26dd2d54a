import JSON

/// A tokenizer.json as the metadata of a GGUF file.
struct GGUFVocabulary {
  private(set) var entries: [GGUFEntry] = []
  /// What the user should know.
  private(set) var notes: [String] = []

  private let path: String
  private let file: JSON
  private let config: LlamaConfig
  private var pieces: [String]
  private var kinds: [GGUFTokenKind]

  /// - Throws: for a tokenizer that llama.cpp has no name for, or that is no byte-pair encoding.
  init(_ tokenizer: [UInt8], _ config: LlamaConfig, path: String) throws(FormatError) {
    self.path = path
    self.config = config
    do throws(JSONError) { file = try JSON(parsing: tokenizer) } catch { throw FormatError(path, "tokenizer.json", error.description) }
    pieces = Array(repeating: "", count: config.vocabularySize)
    kinds = Array(repeating: .unused, count: config.vocabularySize)
    guard file["model"]?["type"] ?? "BPE" == "BPE", let vocabulary = file["model"]?["vocab"]?.object else {
      throw GGUFVocabulary.error(path, "it is no byte-pair encoding, which is all that GGUF's llama models have")
    }
    for (piece, id) in vocabulary.members { try place(piece, id.int, .normal) }
    for token in file["added_tokens"]?.array ?? [] {
      guard let content = token["content"]?.string else { continue }
      try place(content, token["id"]?.int, token["special"] == .bool(true) ? .control : .userDefined)
      if ["lstrip", "rstrip", "single_word"].contains(where: { token[$0] == .bool(true) }) {
        notes.append(
          "GGUF cannot say that '\(content)' swallows white space or wants to stand alone; llama.cpp may cut texts otherwise there")
      }
    }
    for id in pieces.indices where kinds[id] == .unused { pieces[id] = "[PAD\(id)]" }
    let isByteLevel = GGUFVocabulary.types(file["pre_tokenizer"], "pretokenizers").contains("ByteLevel")
    if isByteLevel { try addByteLevel() } else { try addSentencePiece() }
    addEnds()
  }

  private static func error(_ path: String, _ reason: String) -> FormatError { FormatError(path, "tokenizer.json", reason) }

  private mutating func place(_ piece: String, _ id: Int?, _ kind: GGUFTokenKind) throws(FormatError) {
    guard let id, pieces.indices.contains(id) else {
      throw GGUFVocabulary.error(path, "'\(piece)' has the id \(id.map(String.init) ?? "none"); the model has \(pieces.count) embeddings")
    }
    (pieces[id], kinds[id]) = (piece, kind)
  }

  /// The steps' types, sequences laid flat.
  private static func types(_ json: JSON?, _ list: String) -> [String] {
    guard let json, !json.isNull else { return [] }
    if json["type"] == "Sequence" { return (json[list]?.array ?? []).flatMap { types($0, list) } }
    return [json["type"]?.string ?? ""]
  }

  private mutating func addByteLevel() throws(FormatError) {
    guard GGUFVocabulary.types(file["normalizer"], "normalizers").isEmpty else {
      throw GGUFVocabulary.error(path, "it normalizes texts, which GGUF cannot say of a byte-level tokenizer")
    }
    let ignoresMerges = file["model"]?["ignore_merges"] == .bool(true)
    guard let way = GGUFPreTokenizer(file["pre_tokenizer"], ignoresMerges: ignoresMerges) else {
      throw GGUFVocabulary.error(path, "llama.cpp has no name for the way it cuts texts into words, and would cut them otherwise")
    }
    entries += [
      .init("tokenizer.ggml.model", .string("gpt2")), .init("tokenizer.ggml.pre", .string(way.names[0])),
      .init("tokenizer.ggml.tokens", .strings(pieces)), .init("tokenizer.ggml.token_type", .ints(kinds.map { Int32($0.rawValue) })),
      .init("tokenizer.ggml.merges", .strings(try merges().map { "\($0.0) \($0.1)" })),
    ]
  }

  private mutating func addSentencePiece() throws(FormatError) {
    let addsSpace = try prefixSpace()
    if let unknown = file["model"]?["unk_token"]?.string, let id = file["model"]?["vocab"]?[unknown]?.int {
      kinds[id] = .unknown
      entries.append(.init("tokenizer.ggml.unknown_token_id", .uint32(UInt32(id))))
    }
    if file["model"]?["byte_fallback"] == .bool(true) {
      for id in pieces.indices where kinds[id] == .normal && GGUFVocabulary.isByte(pieces[id]) { kinds[id] = .byte }
    }
    let merges = try merges()
    let bytes = pieces.map { Array($0.utf8) }
    // SentencePiece knows no pairs, only the order of what they make.
    var ranks: [[UInt8]: Int] = [:]
    for (left, right) in merges where ranks[Array(left.utf8) + Array(right.utf8)] == nil {
      ranks[Array(left.utf8) + Array(right.utf8)] = ranks.count
    }
    let kinds = self.kinds
    let scores = pieces.indices.map { kinds[$0] == .normal ? -Float(ranks[bytes[$0]] ?? ranks.count + $0) : 0 }
    let joined = SentencePieceMerges.pairs(bytes, scores: scores.map(Double.init)) { kinds[$0] == .normal }
    let isSame =
      joined.count == merges.count
      && zip(joined, merges).allSatisfy { pieces[$0.left].utf8.elementsEqual($1.0.utf8) && pieces[$0.right].utf8.elementsEqual($1.1.utf8) }
    if !isSame {
      notes.append(
        "the tokenizer's merges are not those that SentencePiece would make of its pieces, which is all GGUF can say; rare words may be cut otherwise"
      )
    }
    entries += [
      .init("tokenizer.ggml.model", .string("llama")), .init("tokenizer.ggml.pre", .string("default")),
      .init("tokenizer.ggml.tokens", .strings(pieces)), .init("tokenizer.ggml.scores", .floats(scores)),
      .init("tokenizer.ggml.token_type", .ints(kinds.map { Int32($0.rawValue) })),
      .init("tokenizer.ggml.add_space_prefix", .bool(addsSpace)),
    ]
  }

  private static func isByte(_ piece: String) -> Bool {
    let bytes = Array(piece.utf8)
    return bytes.count == 6 && piece.hasPrefix("<0x") && piece.hasSuffix(">") && UInt8(piece.dropFirst(3).dropLast(), radix: 16) != nil
  }

  /// Whether a blank is put in front of a text.
  /// - Throws: when texts are changed in a way SentencePiece has not.
  private func prefixSpace() throws(FormatError) -> Bool {
    let normalizers = GGUFVocabulary.types(file["normalizer"], "normalizers")
    let preTokenizers = GGUFVocabulary.types(file["pre_tokenizer"], "pretokenizers")
    switch (normalizers, preTokenizers) {
    case (["Prepend", "Replace"], []): return true
    case (["Replace"], []): return false
    case ([], ["Metaspace"]): return file["pre_tokenizer"]?["prepend_scheme"] != "never"
    default:
      throw GGUFVocabulary.error(path, "it is neither byte-level nor as SentencePiece does it, which is all that GGUF's llama models have")
    }
  }

  /// Pairs, in the file's order.
  private func merges() throws(FormatError) -> [(String, String)] {
    var merges: [(String, String)] = []
    for (index, entry) in (file["model"]?["merges"]?.array ?? []).enumerated() {
      if let pair = entry.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
        merges.append((left, right))
      } else if let line = entry.string, let middle = line.utf8.firstIndex(of: 0x20) {
        merges.append((String(line[..<middle]), String(line[line.utf8.index(after: middle)...])))
      } else {
        throw GGUFVocabulary.error(path, "merge \(index) is not two pieces")
      }
    }
    return merges
  }

  /// Begin and end tokens by id. GGUF has one that ends a text and one that ends a turn; hoof reads the whole list.
  static func ends(of config: LlamaConfig, begin: Int?) -> [GGUFEntry] {
    var entries: [GGUFEntry] = []
    func add(_ name: String, _ id: Int?) {
      if let id { entries.append(.init("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(id)))) }
    }
    add("bos", begin)
    add("eos", config.endToken)
    add("eot", config.eosTokens.first { $0 != config.endToken && $0 != config.bosToken })
    return entries + [.init("hoof.eos_token_ids", .ints(config.eosTokens.map(Int32.init)))]
  }

  /// Begin and end tokens, and whether texts get them.
  private mutating func addEnds() {
    let template = template
    entries += GGUFVocabulary.ends(of: config, begin: template.before.first ?? config.bosToken)
    entries += [
      .init("tokenizer.ggml.add_bos_token", .bool(!template.before.isEmpty)),
      .init("tokenizer.ggml.add_eos_token", .bool(!template.behind.isEmpty)),
    ]
    if template.before.count > 1 || template.behind.count > 1 || template.behind.first.map({ $0 != config.endToken }) == true {
      notes.append("the tokenizer puts other tokens around a text than its begin and end; GGUF can only say those two")
    }
  }

  /// What the post-processor puts around one text.
  private var template: (before: [Int], behind: [Int]) {
    func find(_ json: JSON?) -> JSON? {
      if json?["type"] == "TemplateProcessing" { return json }
      return json?["processors"]?.array?.lazy.compactMap(find).first
    }
    guard let template = find(file["post_processor"]) else { return ([], []) }
    var (before, behind): ([Int], [Int]) = ([], [])
    var hasText = false
    for part in template["single"]?.array ?? [] {
      guard let name = part["SpecialToken"]?["id"]?.string else {
        hasText = true
        continue
      }
      let ids = template["special_tokens"]?[name]?["ids"]?.array?.compactMap(\.int).filter(pieces.indices.contains) ?? []
      if hasText { behind += ids } else { before += ids }
    }
    return (before, behind)
  }
}
