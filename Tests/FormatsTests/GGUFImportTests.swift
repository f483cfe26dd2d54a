import Formats
import JSON
import TensorCore
import TestSupport
import Testing
import Tokenization

@Suite("Reading GGUF files")
struct GGUFImportTests {
  private func gguf(_ source: ModelSource, in folder: TemporaryFolder) throws -> ModelSource {
    try GGUFExport(ModelImport(source)).write(to: folder.file("m.gguf"), replacing: true, threads: 2)
    return try ModelSource.open(path: folder.file("m.gguf"))
  }

  @Test("a model comes back with its config and every value", arguments: [DType.f32, .f16, .bf16, .q8_0, .q4_K], [true, false])
  func roundTrip(dtype: DType, tied: Bool) throws {
    var config = SmallModels.config
    (config.hiddenSize, config.headDim, config.tiedEmbeddings, config.ropeTheta) = (256, 64, tied, 500_000)
    config.layers = Array(repeating: .init(queryHeads: 4, keyHeads: 2, intermediateSize: 512), count: 2)
    config.ropeScaling =
      tied ? .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192) : .linear(factor: 2.5)
    let folder = try SmallModels.folder(config, .f32)
    try ModelImport(ModelSource.open(path: folder.path), matrixType: dtype).write(to: folder.file("m.hoof"), threads: 2)
    let source = try ModelSource.open(path: folder.file("m.hoof"))
    let copy = try gguf(source, in: folder)
    #expect(copy.config == source.config && copy.format == .gguf && copy.tokenizer == nil)
    #expect(copy.fingerprint() == source.fingerprint())
    for (name, tensor) in source.tensors {
      #expect(copy.tensors[name]?.dtype == tensor.dtype && copy.tensors[name]?.bytes.elementsEqual(tensor.bytes) == true, "\(name)")
    }
    // A stranger's file has the factors alone.
    var bytes = try folder.read("m.gguf")
    let key = Array("hoof.rope.llama3".utf8)
    if let place = bytes.indices.first(where: { bytes[$0...].starts(with: key) }) {
      bytes.replaceSubrange(place..<place + key.count, with: Array("else.rope.llama3".utf8))
      try folder.write("other.gguf", bytes)
      #expect(try ModelSource.open(path: folder.file("other.gguf")).config.ropeScaling == source.config.ropeScaling)
    } else {
      #expect(!tied)
    }
  }

  @Test(
    "a tokenizer comes back with the same ids, template and text, through its metadata alone",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: [
      ("tokenizers/llama3-128k", "vectors.json", "llama-bpe"), ("tokenizers/llama2-32k", "vectors.json", "default"),
      ("models/talespin-15m", "tokenizer_vectors.json", "llama-bpe"), ("models/stories260K", "tokenizer_vectors.json", "default"),
    ])
  func tokenizers(path: String, vectors: String, pre: String) throws {
    let bytes = try SharedData.bytes(path + "/tokenizer.json")
    let original = try Tokenizer(json: bytes)
    var config = SmallModels.config
    (config.hiddenSize, config.headDim) = (8, 4)
    config.layers = [.init(queryHeads: 2, keyHeads: 1, intermediateSize: 8)]
    config.vocabularySize = original.vocabularySize + 3
    config.bosToken = original.bosTokens.first.map(Int.init)
    let folder = try SmallModels.folder(config, .f16)
    try folder.write("tokenizer.json", bytes)
    let source = try ModelSource.open(path: folder.path)
    #expect(try GGUFExport(ModelImport(source)).notes.isEmpty)
    let copy = try gguf(source, in: folder)
    #expect(copy.config == source.config)
    let parts = GGUFParts(try folder.read("m.gguf"))
    #expect(parts.metadata["tokenizer.ggml.pre"] == .text(pre))
    let tokenizer = try Tokenizer(json: try #require(copy.tokenizer))
    #expect(tokenizer.vocabularySize == original.vocabularySize)
    #expect(tokenizer.bosTokens == original.bosTokens && tokenizer.endTokens == original.endTokens)
    for id in 0..<Int32(original.vocabularySize) {
      guard tokenizer.piece(id) == original.piece(id), tokenizer.isSpecial(id) == original.isSpecial(id) else {
        Issue.record("\(id): \(tokenizer.piece(id) ?? "none") is \(original.piece(id) ?? "none")")
        break
      }
    }
    let rows = try #require(try SharedData.json("\(path)/\(vectors)").array)
    var texts = rows.compactMap { $0["text"]?.string }
    texts += String(decoding: try SharedData.bytes("data/prompts.txt"), as: UTF8.self).split(separator: "\n").map(String.init)
    #expect(texts.count > 40)
    for text in texts {
      let ids = original.encode(text)
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      #expect(tokenizer.encode(text, template: false) == original.encode(text, template: false))
      #expect(tokenizer.decode(ids) == original.decode(ids))
    }
  }

  @Test("a tokenizer that llama.cpp would read otherwise is refused before anything is written")
  func strangeTokenizers() throws {
    let folder = try SmallModels.folder()
    for (text, reason) in [
      (#"{"model":{"type":"Unigram","vocab":[]}}"#, "no byte-pair encoding"), ("[", "not valid JSON"),
      (
        #"{"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"x"},"behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}}"#,
        "has no name for the way it cuts texts"
      ), (#"{"model":{"vocab":{"a":0},"merges":[]}}"#, "neither byte-level nor as SentencePiece"),
      (#"{"model":{"vocab":{"a":96},"merges":[]}}"#, "'a' has the id 96; the model has 96 embeddings"),
    ] {
      try folder.write("tokenizer.json", text)
      let source = try ModelSource.open(path: folder.path)
      let message = Exchanged.refusal { _ = try GGUFExport(ModelImport(source)) }
      #expect(message.contains("tokenizer.json: ") && message.contains(reason), "\(message)")
    }
  }

  @Test("every type that is read by widening gives the values its description says", arguments: GGUFBlockSamples.Kind.allCases)
  func blocks(kind: GGUFBlockSamples.Kind) throws {
    var config = SmallModels.config
    (config.hiddenSize, config.headDim) = (256, 64)
    config.layers = [.init(queryHeads: 4, keyHeads: 2, intermediateSize: 512)]
    let folder = try SmallModels.folder(config, .f32)
    _ = try gguf(ModelSource.open(path: folder.path), in: folder)
    let samples = GGUFBlockSamples(kind, seed: 3)
    for (name, part, rows, columns) in [
      ("blk.0.attn_q.weight", TensorName.Part.query, 256, 256), ("blk.0.ffn_down.weight", .down, 256, 512),
    ] {
      let (bytes, values) = samples.rows(rows, columns)
      try folder.write("typed.gguf", samples.replacing(name, in: GGUFParts(try folder.read("m.gguf")), with: bytes))
      let tensor = try #require(try ModelSource.open(path: folder.file("typed.gguf")).tensors[TensorName.layer(0, part)])
      #expect(tensor.dtype == .f32)
      for row in 0..<rows {
        let source = part == .query ? row / 64 * 64 + row % 32 * 2 + row % 64 / 32 : row
        #expect(tensor.floats(row: row) == Array(values[source * columns..<(source + 1) * columns]), "\(name) \(row)")
      }
    }
  }

  @Test("what a file says wrong is refused by name")
  func refusals() throws {
    let folder = try SmallModels.folder()
    _ = try gguf(ModelSource.open(path: folder.path), in: folder)
    let bytes = try folder.read("m.gguf")
    func refusal(_ change: (inout [UInt8]) -> Void) throws -> String {
      var bytes = bytes
      change(&bytes)
      try folder.write("bad.gguf", bytes)
      return SmallModels.refusal(folder.file("bad.gguf"))
    }
    func replace(_ old: String, _ new: String) -> (inout [UInt8]) -> Void {
      { bytes in
        let place = Self.place(of: old, in: bytes)
        bytes.replaceSubrange(place..<place + old.utf8.count, with: Array(new.utf8))
      }
    }
    /// One more number in front of all metadata; a second pair fills up what is inserted to 32 bytes, so that the weights stay aligned.
    func add(_ key: String, _ value: UInt32) -> (inout [UInt8]) -> Void {
      { bytes in
        func size(_ count: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } }
        var pairs = size(key.utf8.count) + Array(key.utf8) + [4, 0, 0, 0] + size(Int(value))[..<4]
        let filler = (64 - (pairs.count + 21) % 32) % 32
        pairs += size(1) + [UInt8(ascii: "x"), 8, 0, 0, 0] + size(filler) + Array(repeating: 0x20, count: filler)
        bytes[16] += 2
        bytes.insert(contentsOf: pairs, at: 24)
      }
    }
    #expect(try refusal { $0[4] = 1 }.contains("version: 1 is not supported"))
    #expect(try refusal { $0.replaceSubrange(4..<8, with: [0, 0, 0, 3]) }.contains("big-endian"))
    #expect(try refusal { $0.removeLast(100) }.contains("beyond the end of the file"))
    #expect(try refusal { $0.removeLast($0.count - 300) }.contains("truncated?"))
    #expect(try refusal { $0.replaceSubrange(8..<16, with: Array(repeating: 255, count: 8)) }.contains("tensor count: "))
    #expect(try refusal { $0.replaceSubrange(16..<24, with: Array(repeating: 255, count: 8)) }.contains("metadata count: "))
    #expect(try refusal(replace("llama.block_count", "llama.block_kount")).contains("llama.block_count: is missing"))
    #expect(try refusal(add("llama.expert_count", 8)).contains("llama.expert_count: 8 is not supported"))
    #expect(try refusal(add("split.count", 2)).contains("split.count: the model is split over 2 files"))
    #expect(try refusal(add("llama.block_count", 4)).contains("llama.block_count: stands twice in the metadata"))
    #expect(try refusal(add("general.alignment", 48)).contains("general.alignment: 48 is no power of two"))
    #expect(
      try refusal(add("tokenizer.ggml.bos_token_id", 96)).contains("tokenizer.ggml.bos_token_id: must be a whole number from 0 to 95"))
    #expect(
      try refusal { $0[Self.place(of: "general.architecture", in: $0) + 32] = UInt8(ascii: "j") }.contains("'jlama' is not supported"))
    // Behind a tensor's name: its number of dimensions, the two sizes, then its type and its offset.
    let entry = Self.place(of: "blk.1.ffn_up.weight", in: bytes) + 19
    #expect(try refusal { $0[entry + 20] = 10 }.contains("blk.1.ffn_up.weight: type Q2_K is not supported; these are: F32, F16"))
    #expect(try refusal { $0[entry] = 9 }.contains("blk.1.ffn_up.weight: has 9 dimensions"))
    #expect(try refusal { $0[entry + 12] = 171 }.contains("blk.1.ffn_up.weight: has shape [171, 64]; the metadata asks for [172, 64]"))
    #expect(try refusal { $0[entry + 24] = 1 }.contains("blk.1.ffn_up.weight: offset"))
    #expect(try refusal { $0[entry + 11] = 255 }.contains("blk.1.ffn_up.weight: has more elements"))
    #expect(try refusal { for index in 24..<32 { $0[entry + index] = 0 } }.contains("its bytes overlap another tensor's"))
  }

  private static func place(of text: String, in bytes: [UInt8]) -> Int {
    let wanted = Array(text.utf8)
    return bytes.indices.first { bytes[$0...].starts(with: wanted) }!
  }
}
