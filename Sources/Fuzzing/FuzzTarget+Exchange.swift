import Formats
import Glibc
import JSON
import Tokenization

extension FuzzTarget {
  /// Files of other programs.
  /// - Parameter folder: an empty folder that small models can be written to.
  static func exchange(in folder: String) throws -> [FuzzTarget] {
    let seeds = [
      try gguf("bytes", Array(ByteTokenizer.json.text().utf8), vocabulary: 260, stretched: true, in: folder),
      try gguf("pieces", Array(sentencePiece.utf8), vocabulary: 24, stretched: false, in: folder),
    ]
    return [
      FuzzTarget(name: "gguf", seeds: seeds) { try FormatParsers.gguf($0) },
      FuzzTarget(name: "gguf-tokenizer", seeds: seeds) { bytes in
        guard let json = try FormatParsers.ggufTokenizer(bytes) else { return }
        let tokenizer = try Tokenizer(json: json)
        let ids = tokenizer.encode("ab 12!! <s> é\n")
        precondition(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize }, "an id outside the vocabulary")
      },
    ]
  }

  /// The bytes of a GGUF file of a small model with this tokenizer.
  private static func gguf(
    _ name: String, _ tokenizer: [UInt8], vocabulary: Int, stretched: Bool, in folder: String
  ) throws -> [UInt8] {
    var config = LlamaConfig(
      hiddenSize: 8, headDim: 4, vocabularySize: vocabulary, contextLength: 32, tiedEmbeddings: stretched, bosToken: 1, eosTokens: [2, 3],
      layers: [.init(queryHeads: 2, keyHeads: 1, intermediateSize: 8)])
    if stretched { config.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 16) }
    let (source, file) = ("\(folder)/\(name)", "\(folder)/\(name).gguf")
    try RandomModel.write(config: config, dtype: .f16, seed: 1, to: source)
    let output = try OutputFile(path: source + "/tokenizer.json", byteCount: tokenizer.count, replacing: true)
    try output.write(tokenizer, at: 0)
    try output.commit(synced: false)
    try GGUFExport(ModelImport(ModelSource.open(path: source))).write(to: file, threads: 1)
    return try readFile(file, limit: 1 << 24)
  }
}
