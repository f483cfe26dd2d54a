import Formats
import JSON
import TensorCore
import Testing
import TestSupport

@Suite("LoRA adapters in PEFT's folders")
struct AdapterFileTests {
  /// A rank-2 adapter of all of `SmallModels.config`, and its two files to be changed.
  private struct Example {
    let folder: TemporaryFolder
    var path: String { folder.file("lora") }

    init(
      _ config: LlamaConfig = SmallModels.config, settings: AdapterSettings = AdapterSettings(rank: 2, alpha: 4), base: String? = nil
    ) throws {
      folder = try TemporaryFolder()
      try AdapterFile.write(Example.matrices(config, settings), settings, base: base, to: path)
    }

    static func matrices(_ config: LlamaConfig, _ settings: AdapterSettings) -> [AdapterMatrices] {
      config.layers.enumerated().flatMap { index, layer in
        AdapterTargets.parts.compactMap { part in
          guard settings.targets.contains(part, layer: index) != false, let shape = config.shape(of: part, in: layer) else { return nil }
          let (a, b) = (settings.rank * shape.columns, settings.rank * shape.rows)
          return AdapterMatrices(
            layer: index, part: part, rank: settings.rank, a: (0..<a).map { Float($0 % 7 - 3) / 16 },
            b: (0..<b).map { Float($0 % 5 - 2) / 16 })
        }
      }
    }

    func change(_ name: String, _ value: JSON?) throws {
      var config = try #require(try JSON(parsing: folder.read("lora/adapter_config.json")).object)
      config[name] = value
      try folder.write("lora/adapter_config.json", JSON.object(config).text())
    }

    /// Replaces text in the weights' header by as many bytes.
    func rename(_ old: String, _ new: String) throws {
      var bytes = try folder.read("lora/adapter_model.safetensors")
      let (old, new) = (Array(old.utf8), Array(new.utf8))
      try #require(old.count == new.count)
      let start = try #require(bytes.indices.first { bytes[$0...].starts(with: old) })
      bytes.replaceSubrange(start..<start + old.count, with: new)
      try folder.write("lora/adapter_model.safetensors", bytes)
    }

    func refusal(_ config: LlamaConfig = SmallModels.config) -> String {
      do {
        _ = try AdapterFile.open(path, for: config)
        return "opened without an error"
      } catch { return error.description }
    }
  }

  @Test("what was written is read back, value for value")
  func roundTrip() throws {
    var settings = AdapterSettings(rank: 2, alpha: 4.5, dropout: 0.1, rankStabilized: true)
    settings.targets = AdapterTargets([.query, .down], layers: [1, 3])
    let example = try Example(settings: settings, base: "f00d")
    let file = try AdapterFile.open(example.path, for: SmallModels.config)
    #expect(file.settings == settings && file.base == "f00d")
    #expect(file.pairs.map(\.name) == [1, 3].flatMap { [TensorName.layer($0, .query), TensorName.layer($0, .down)] })
    for (pair, written) in zip(file.pairs, Example.matrices(SmallModels.config, settings)) {
      #expect(try file.values(of: pair.a) == written.a && file.values(of: pair.b) == written.b)
      #expect(pair.scale == 4.5 / 2.0.squareRoot() && pair.rank == 2)
    }
    #expect(file.parameterCount == 2 * 2 * (64 + 64 + 172 + 64))
    #expect(example.folder.names() == ["lora"])
  }

  @Test("PEFT's own files are read", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func reference() throws {
    for name in ["stories260K", "talespin-tiny"] {
      let config = try ModelSource.open(path: SharedData.path("models/\(name)")).config
      let file = try AdapterFile.open(SharedData.path("reference/\(name)/lora_init"), for: config)
      #expect(file.pairs.count == 7 * config.layers.count && file.pairs.allSatisfy { $0.rank == 4 && $0.scale == 2 } && file.base == nil)
    }
  }

  @Test(
    "settings that would make it compute something else are refused by name",
    arguments: [
      ("peft_type", "IA3", "peft_type: 'IA3' is not supported"), ("peft_type", nil, "peft_type: is missing"),
      ("use_dora", true, "use_dora: DoRA"), ("bias", "lora_only", "bias: 'lora_only' is not supported"), ("lora_bias", true, "lora_bias: "),
      ("modules_to_save", ["lm_head"], "modules_to_save: "), ("fan_in_fan_out", true, "fan_in_fan_out: "),
      ("layer_replication", [[0, 2]], "layer_replication: "), ("target_parameters", ["x"], "target_parameters: "),
      ("trainable_token_indices", [1], "trainable_token_indices: "), ("use_qalora", true, "use_qalora: is set, and hoof does not know"),
      ("something_new", ["a": 1], "something_new: is set"), ("init_lora_weights", "pissa", "init_lora_weights: \"pissa\" changes the base"),
      ("init_lora_weights", 7, "init_lora_weights: 7"), ("r", 0, "r: must be a whole number"), ("r", nil, "r: is missing"),
      ("r", 3, "rank asks for 3 rows"), ("lora_alpha", 0, "lora_alpha: must be a number above 0"),
      ("lora_alpha", nil, "lora_alpha: is missing"),
      ("lora_dropout", 1, "lora_dropout: must be a number from 0"), ("use_rslora", "yes", "use_rslora: must be true or false"),
      ("target_modules", nil, "target_modules: is missing"), ("target_modules", [1], "target_modules: must hold names"),
      ("target_modules", ["q_proj"], "does not name this module"), ("exclude_modules", ".*", "exclude_modules: is a regular expression"),
      ("exclude_modules", ["layers.2.mlp.up_proj"], "does not name this module"),
      ("layers_to_transform", [0, 1], "does not name this module"),
      ("layers_to_transform", ["a"], "layers_to_transform: must hold whole numbers"), ("layers_to_transform", -1, "layers_to_transform: "),
      ("layers_pattern", "h", "layers_pattern: \"h\" is not supported"), ("rank_pattern", ["q_proj": 4], "rank asks for 4 rows"),
      ("rank_pattern", ["q_proj": "4"], "rank_pattern.q_proj: must be a whole number"),
      ("rank_pattern", [".*q_proj": 4], "is a regular expression"),
      ("alpha_pattern", ["q_proj": -1], "alpha_pattern.q_proj: must be a number"),
    ] as [(String, JSON?, String)])
  func settings(name: String, value: JSON?, message: String) throws {
    let example = try Example()
    try example.change(name, value)
    let refusal = example.refusal()
    #expect(refusal.contains(message), "\(refusal)")
    #expect(!refusal.contains("\n"))
  }

  @Test("settings that change nothing are read over; ways to name modules mean the same")
  func equivalent() throws {
    let example = try Example()
    let same: [(String, JSON?)] = [
      ("use_dora", false), ("loftq_config", [:]), ("megatron_core", "megatron.core"), ("peft_version", "0.21.2"),
      ("layers_to_transform", []),
      ("layers_pattern", "layers"), ("target_modules", ".*_proj"), ("exclude_modules", []), ("init_lora_weights", "gaussian"),
      ("target_modules", ["q_proj", "self_attn.k_proj", "v_proj", "o_proj", "mlp.gate_proj", "up_proj", "down_proj", "c_attn"]),
      ("alpha_pattern", ["layers.1.mlp.up_proj": 8, "up_proj": 16, "^model.layers.0.self_attn.q_proj": 2, "j_proj": 3]),
    ]
    for (name, value) in same {
      try example.change(name, value)
      #expect(example.refusal() == "opened without an error", "\(name)")
    }
    let scales = try AdapterFile.open(example.path).pairs.reduce(into: [:]) { $0[$1.name] = $1.scale }
    #expect(scales[TensorName.layer(1, .up)] == 4 && scales[TensorName.layer(2, .up)] == 8 && scales[TensorName.layer(0, .query)] == 1)
    #expect(scales[TensorName.layer(1, .query)] == 2)
  }

  @Test(
    "names that are no pair's are refused",
    arguments: [
      ("layers.0.mlp.down_proj.lora_A", "layers.0.mlp.dawn_proj.lora_A", "is not a LoRA matrix"),
      ("layers.0.mlp.down_proj.lora_A", "layers.9.mlp.down_proj.lora_A", "its other half"),
      ("layers.0.mlp.down_proj.lora_A", "layers.x.mlp.down_proj.lora_A", "is not a LoRA matrix"),
      ("layers.0.mlp.down_proj.lora_B", "layers.0.mlp.down_proj.lora_C", "is not a LoRA matrix"),
      ("model.layers.0.mlp.up_proj.lora_A.weight", "model.embed_tokens.lora_embedding_A.aaaa", "embeddings"),
      ("self_attn.q_proj.lora_A.weight", "self_attn.q_proj.lora_A.magnit", "is not a LoRA matrix"),
    ])
  func names(old: String, new: String, message: String) throws {
    let example = try Example()
    try example.rename(old, new)
    let refusal = example.refusal()
    #expect(refusal.contains(message), "\(refusal)")
  }

  @Test("names with the adapter's own in them are read, but not two adapters")
  func adapterNames() throws {
    let one = AdapterSettings(rank: 2, alpha: 4, targets: AdapterTargets([.up], layers: [0]))
    let example = try Example(settings: one)
    func write(_ names: [String]) throws {
      let writer = try SafetensorsWriter(
        path: example.path + "/adapter_model.safetensors",
        items: names.map { .init(name: $0, dimensions: $0.contains("lora_A") ? [2, 64] : [172, 2], dtype: .f32) }, replacing: true)
      try writer.commit(synced: false)
    }
    let stem = "base_model.model.model.layers.0.mlp.up_proj"
    try write(["\(stem).lora_A.default.weight", "\(stem).lora_B.default.weight"])
    #expect(try AdapterFile.open(example.path, for: SmallModels.config).pairs.count == 1)
    try write(["\(stem).lora_A.default.weight", "\(stem).lora_B.default.weight", "\(stem).lora_A.weight"])
    #expect(example.refusal().contains("is there twice"))
    try write(["\(stem).lora_A.weight"])
    #expect(example.refusal().contains("its other half, lora_B, is missing"))
  }

  @Test("an adapter of another model is refused with the tensor and both shapes")
  func misfits() throws {
    let example = try Example()
    var config = SmallModels.config
    config.layers[2].intermediateSize = 100
    let shape = example.refusal(config)
    #expect(
      shape.contains("layers.2.mlp.gate_proj.lora_B.weight: has shape [172, 2]") && shape.contains("[100, 64], asks for [100, 2]"),
      "\(shape)")
    config = SmallModels.config
    config.layers.removeLast()
    #expect(example.refusal(config).contains("the model has no layer 3, only 3 from 0 on; base and adapter do not fit"))
    config = SmallModels.config
    config.layers[1].queryHeads = 0
    config.layers[1].keyHeads = 0
    #expect(example.refusal(config).contains("the attention of the model's layer 1 was cut"))
    config = SmallModels.config
    config.layers.append(config.layers[0])
    #expect(example.refusal(config).contains("layers.4.self_attn.q_proj.lora_A.weight: is missing"), "\(example.refusal(config))")
  }

  @Test("the model it was trained on is told from another of the same shape, and from its conversions")
  func fingerprints() throws {
    let (folder, other) = (try SmallModels.folder(), try SmallModels.folder(seed: 2))
    let source = try ModelSource.open(path: folder.path)
    let example = try Example(base: source.identity())
    let file = try AdapterFile.open(example.path)
    try file.check(isFor: source)
    try ModelImport(source, matrixType: .q8_0).write(to: folder.file("q8.hoof"), threads: 1)
    try file.check(isFor: ModelSource.open(path: folder.file("q8.hoof")))
    let error = #expect(throws: FormatError.self) { try file.check(isFor: ModelSource.open(path: other.path)) }
    #expect(error?.description.contains("was trained on another model") == true)
    // A file that does not say is taken by its shapes.
    let silent = try Example()
    try AdapterFile.open(silent.path).check(isFor: source)
  }

  @Test("an adapter is replaced only when asked, NaN is never written, and nothing half stays")
  func writing() throws {
    let example = try Example()
    let settings = AdapterSettings(rank: 2, alpha: 4)
    var matrices = Example.matrices(SmallModels.config, settings)
    let refusal = #expect(throws: FormatError.self) { try AdapterFile.write(matrices, settings, base: nil, to: example.path) }
    #expect(refusal?.description.contains("exists already") == true)
    try AdapterFile.write(matrices, settings, base: "2", to: example.path, replacing: true)
    #expect(try AdapterFile.open(example.path).base == "2")
    matrices[3].b[1] = .nan
    #expect(throws: FormatError.self) { try AdapterFile.write(matrices, settings, base: "3", to: example.path, replacing: true) }
    #expect(try AdapterFile.open(example.path).base == "2")
    #expect(throws: FormatError.self) { try AdapterFile.write(matrices, settings, base: "3", to: example.folder.file("new")) }
    #expect(example.folder.names() == ["lora"])
    #expect(SmallModels.refusal(example.path).contains("is an adapter, not a model"))
  }
}
