import Formats
import JSON
import TensorCore

/// A parser, and valid inputs to start from.
public struct FuzzTarget: Sendable {
  public let name: String
  public let seeds: [[UInt8]]
  /// Whether the bytes were accepted. A fault ends the process.
  public let accepts: @Sendable ([UInt8]) -> Bool

  public init(name: String, seeds: [[UInt8]], parse: @escaping @Sendable ([UInt8]) throws -> Void) {
    self.name = name
    self.seeds = seeds
    accepts = { bytes in
      do {
        try parse(bytes)
        return true
      } catch { return false }
    }
  }

  /// Tries inputs `range` of `seed`; the number that was accepted.
  public func run(_ range: Range<Int>, seed: UInt64, before: (Int) -> Void = { _ in }) -> Int {
    let mutator = Mutator(seeds: seeds, seed: seed)
    var accepted = 0
    for index in range {
      before(index)
      if accepts(mutator.input(index)) { accepted += 1 }
    }
    return accepted
  }
}

extension FuzzTarget {
  /// Everything that reads what others wrote.
  /// - Parameter folder: an empty folder to work in.
  public static func all(in folder: String) throws -> [FuzzTarget] {
    try formats(in: folder) + exchange(in: folder) + texts() + studies(in: folder) + tasks(in: folder)
  }

  /// Every parser of model files.
  /// - Parameter folder: an empty folder that a small model can be written to.
  public static func formats(in folder: String) throws -> [FuzzTarget] {
    var config = LlamaConfig(
      hiddenSize: 8, headDim: 4, vocabularySize: 16, contextLength: 32, tiedEmbeddings: false, bosToken: 1, eosTokens: [2, 3],
      layers: Array(repeating: .init(queryHeads: 2, keyHeads: 1, intermediateSize: 8), count: 2))
    try RandomModel.write(config: config, dtype: .f16, seed: 1, to: folder, shards: 2)
    func file(_ name: String) throws -> [UInt8] { try readFile(folder + "/" + name, limit: 1 << 24) }
    let weights = [try file("model-00001-of-00002.safetensors"), try file("model-00002-of-00002.safetensors")]
    let index = try file("model.safetensors.index.json")
    let plainConfig = try file("config.json")
    try ModelImport(ModelSource.open(path: folder), matrixType: .q8_0, cut: .init(keepLayers: [1], method: "fuzz"))
      .write(to: folder + "/model.hoof", threads: 1)
    let hoof = try file("model.hoof")
    let sections = try FormatParsers.hoofSections(hoof)
    config.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 16)
    try RandomModel.write(config: config, dtype: .bf16, seed: 1, to: folder)
    let stretched = try file("config.json")
    let adapter = try adapter(in: folder + "/adapter")
    let numbers = Array(#"{"a": [1, -2.5e-3, true, false, null, "x\n\u00e9\ud83d\ude00", {"b": [[[[]]]]}]}"#.utf8)
    return [
      FuzzTarget(name: "json", seeds: [numbers, plainConfig, index, sections.header]) { _ = try JSON(parsing: $0) },
      FuzzTarget(name: "safetensors", seeds: weights) { try FormatParsers.safetensors($0) },
      FuzzTarget(name: "shard-index", seeds: [index]) { try FormatParsers.shardIndex($0) },
      FuzzTarget(name: "config", seeds: [plainConfig, stretched]) { try FormatParsers.config($0) },
      FuzzTarget(name: "adapter-config", seeds: adapter.configs) { try FormatParsers.adapterConfig($0) },
      FuzzTarget(name: "adapter", seeds: [adapter.weights]) { try FormatParsers.adapter($0, config: adapter.configs[0]) },
      FuzzTarget(name: "hoof", seeds: [hoof]) { try FormatParsers.hoof($0) },
      FuzzTarget(name: "package", seeds: [FormatParsers.smallPackage]) { try FormatParsers.package($0) },
      FuzzTarget(name: "hoof-header", seeds: [sections.header]) { try FormatParsers.hoofHeader($0) },
      FuzzTarget(name: "hoof-table", seeds: [sections.table]) { try FormatParsers.hoofTable($0) },
    ]
  }
  /// A small LoRA adapter's files, and a config that says all it can.
  private static func adapter(in folder: String) throws -> (configs: [[UInt8]], weights: [UInt8]) {
    let pair = AdapterMatrices(
      layer: 1, part: .query, rank: 2, a: Array(repeating: 0.5, count: 16), b: Array(repeating: 0.25, count: 16))
    var other = pair
    other.part = .down
    try AdapterFile.write(
      [pair, other], AdapterSettings(rank: 2, alpha: 4, dropout: 0.5, targets: AdapterTargets([.query, .down], layers: [1])), base: "abc",
      to: folder)
    let full = #"""
      {"peft_type": "LORA", "r": 8, "lora_alpha": 16.5, "lora_dropout": 0.05, "use_rslora": true, "target_modules": ["q_proj", "mlp.up_proj"],
      "exclude_modules": ["layers.1.self_attn.q_proj"], "layers_to_transform": [0, 2], "layers_pattern": "layers", "bias": "none",
      "rank_pattern": {"q_proj": 4, "^model.layers.0.mlp.up_proj": 2}, "alpha_pattern": {"up_proj": 1e-3}, "use_dora": false,
      "init_lora_weights": "gaussian", "modules_to_save": null, "loftq_config": {}, "task_type": "CAUSAL_LM"}
      """#
    func file(_ name: String) throws -> [UInt8] { try readFile(folder + "/" + name, limit: 1 << 20) }
    return ([try file("adapter_config.json"), Array(full.utf8)], try file("adapter_model.safetensors"))
  }
}
