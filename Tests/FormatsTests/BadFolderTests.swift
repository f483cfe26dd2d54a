import Formats
import Glibc
import JSON
import TensorCore
import Testing
import TestSupport

@Suite("Bad Hugging Face folders: one-line errors that name file and field")
struct BadFolderTests {
  /// A folder whose config.json is changed in one place.
  private func refusal(of name: String, _ value: JSON?) throws -> String {
    let folder = try SmallModels.folder()
    var config = try #require(try JSON(parsing: folder.read("config.json")).object)
    config[name] = value
    try folder.write("config.json", JSON.object(config).text())
    return SmallModels.refusal(folder.path)
  }

  @Test(
    "config.json: wrong values",
    arguments: [
      ("model_type", "qwen2", "model_type: 'qwen2' is not supported"),
      ("model_type", nil, "model_type: is missing"),
      ("architectures", ["LlamaForSequenceClassification"], "architectures: 'LlamaForSequenceClassification' is not supported"),
      ("hidden_size", nil, "hidden_size: is missing"),
      ("hidden_size", "64", "hidden_size: must be a whole number"),
      ("hidden_size", 0, "hidden_size: must be a whole number"),
      ("hidden_size", 1e300, "hidden_size: must be a whole number"),
      ("hidden_size", 9_223_372_036_854_775_807, "hidden_size: must be a whole number"),
      ("num_hidden_layers", -4, "num_hidden_layers: must be"),
      ("vocab_size", 1.5, "vocab_size: must be"),
      ("num_key_value_heads", 3, "num_key_value_heads: 3 does not divide"),
      ("head_dim", 15, "head_dim: 15 is odd"),
      ("rms_norm_eps", 0, "rms_norm_eps: must be a number above 0"),
      ("hidden_act", "gelu", "hidden_act: 'gelu' is not supported"),
      ("attention_bias", true, "attention_bias: biases are not supported"),
      ("mlp_bias", true, "mlp_bias: biases are not supported"),
      ("tie_word_embeddings", "yes", "tie_word_embeddings: must be true or false"),
      ("eos_token_id", [2, 96], "eos_token_id: must be token ids below vocab_size 96"),
      ("bos_token_id", -1, "bos_token_id: must be token ids"),
      ("quantization_config", ["quant_method": "gptq"], "quantization_config: the folder is already quantised (gptq)"),
      ("partial_rotary_factor", 0.5, "partial_rotary_factor: 0.5 is not supported"),
      ("rope_parameters", ["rope_type": "yarn", "factor": 4], "rope_parameters.rope_type: 'yarn' is not supported"),
      ("rope_parameters", ["rope_type": "linear"], "rope_parameters.factor: is missing"),
      ("rope_parameters", ["rope_theta": 0], "rope_parameters.rope_theta: must be a number above 0"),
      (
        "rope_parameters",
        ["rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 8192],
        "rope_parameters.high_freq_factor: 4.0 must be above"
      ),
    ] as [(String, JSON?, String)])
  func config(name: String, value: JSON?, message: String) throws {
    let refusal = try refusal(of: name, value)
    #expect(refusal.contains("config.json: " + message), "\(refusal)")
    #expect(!refusal.contains("\n"))
  }

  @Test("old and new names of the rope settings mean the same")
  func ropeNames() throws {
    let scaling: JSON = [
      "type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64,
    ]
    func open(_ changes: [(String, JSON?)]) throws -> LlamaConfig {
      let folder = try SmallModels.folder()
      var config = try #require(try JSON(parsing: folder.read("config.json")).object)
      for (name, value) in changes { config[name] = value }
      try folder.write("config.json", JSON.object(config).text())
      return try ModelSource.open(path: folder.path).config
    }
    let old = try open([("rope_parameters", nil), ("rope_theta", 500_000.0), ("rope_scaling", scaling)])
    var parameters = try #require(scaling.object)
    parameters["type"] = nil
    parameters["rope_type"] = "llama3"
    parameters["rope_theta"] = 500_000.0
    let new = try open([("rope_parameters", .object(parameters))])
    #expect(old == new)
    #expect(old.ropeTheta == 500_000)
    #expect(old.ropeScaling == .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
    let linear = try open([("rope_parameters", nil), ("rope_scaling", ["type": "linear", "factor": 2.0])])
    #expect(linear.ropeScaling == .linear(factor: 2))
    #expect(linear.ropeTheta == 10000)
  }

  @Test("optional keys get transformers' defaults, and Mistral is taken only without a sliding window")
  func defaults() throws {
    let folder = try SmallModels.folder()
    var config = try #require(try JSON(parsing: folder.read("config.json")).object)
    for name in [
      "head_dim", "architectures", "rms_norm_eps", "max_position_embeddings", "tie_word_embeddings", "eos_token_id", "bos_token_id",
    ] {
      config[name] = nil
    }
    try folder.write("config.json", JSON.object(config).text())
    let read = try ModelSource.open(path: folder.path).config
    #expect(read.headDim == 16)
    #expect(read.normEpsilon == 1e-6)
    #expect(read.contextLength == 2048)
    #expect(read.tiedEmbeddings, "a folder without lm_head has a tied head")
    #expect(read.eosTokens == [] && read.bosToken == nil)
    config["model_type"] = "mistral"
    try folder.write("config.json", JSON.object(config).text())
    #expect(SmallModels.refusal(folder.path).contains("sliding_window"))
    config["sliding_window"] = .null
    try folder.write("config.json", JSON.object(config).text())
    #expect(try ModelSource.open(path: folder.path).config == read)
  }

  @Test("files that are missing, empty, folders, not JSON, or of another kind")
  func files() throws {
    let folder = try SmallModels.folder()
    #expect(SmallModels.refusal(folder.file("nothing")).hasSuffix("nothing: No such file or directory"))
    try folder.write("empty.hoof", "")
    #expect(SmallModels.refusal(folder.file("empty.hoof")).hasSuffix("empty.hoof: is empty"))
    try folder.write("model.gguf", "GGUF....")
    #expect(SmallModels.refusal(folder.file("model.gguf")).contains("is not a GGUF file"))
    try folder.write("notes.txt", "hello")
    #expect(SmallModels.refusal(folder.file("notes.txt")).contains("neither a Hugging Face folder nor a .hoof or GGUF file"))
    #expect(SmallModels.refusal(folder.file("model.safetensors")).contains("give the folder it lies in"))
    mkfifo(folder.file("pipe"), 0o600)
    #expect(SmallModels.refusal(folder.file("pipe")).contains("is not a regular file"))

    try folder.write("config.json", "{\"hidden_size\": 1,}")
    #expect(SmallModels.refusal(folder.path).contains("config.json: not valid JSON at byte 18"))
    try folder.write("config.json", String(repeating: "[", count: 100_000))
    #expect(SmallModels.refusal(folder.path).contains("nested deeper than 128 levels"))
    unlink(folder.file("config.json"))
    #expect(SmallModels.refusal(folder.path).contains("config.json: No such file or directory"))
  }

  @Test("a file that may not be read", .enabled(if: geteuid() != 0, "the superuser may read everything"))
  func unreadable() throws {
    let folder = try SmallModels.folder()
    chmod(folder.file("config.json"), 0)
    #expect(SmallModels.refusal(folder.path).contains("config.json: Permission denied"))
  }

  @Test("shards: missing, outside the folder, and without the tensor the index promises")
  func shards() throws {
    func folder(_ change: (inout JSON.Object) -> Void) throws -> TemporaryFolder {
      let folder = try SmallModels.folder(shards: 2)
      let index = try JSON(parsing: folder.read("model.safetensors.index.json"))
      var map = try #require(index["weight_map"]?.object)
      change(&map)
      try folder.write("model.safetensors.index.json", JSON.object(["weight_map": .object(map)]).text())
      return folder
    }
    let whole = try folder { _ in }
    unlink(whole.file("model-00002-of-00002.safetensors"))
    #expect(SmallModels.refusal(whole.path).contains("index.json: weight_map: the file model-00002-of-00002.safetensors is missing"))
    for escape in ["../model.safetensors", "/etc/passwd", "..", "", "a/b"] {
      let outside = try folder { $0[TensorName.finalNorm] = .string(escape) }
      let refusal = SmallModels.refusal(outside.path)
      #expect(refusal.contains("index.json: weight_map.model.norm.weight: '\(escape)' is not a plain file name"), "\(refusal)")
    }
    let wrong = try folder { $0[TensorName.finalNorm] = "model-00001-of-00002.safetensors" }
    #expect(
      SmallModels.refusal(wrong.path).contains("00001-of-00002.safetensors: model.norm.weight: the index says the tensor is in this file"))
    let incomplete = try folder { $0[TensorName.finalNorm] = nil }
    #expect(SmallModels.refusal(incomplete.path).contains("index.json: model.norm.weight: the tensor is missing"))
    let none = try SmallModels.folder()
    unlink(none.file("model.safetensors"))
    #expect(SmallModels.refusal(none.path).contains("has neither model.safetensors nor model.safetensors.index.json"))
  }

  @Test("biases that the config does not mention are not left out silently")
  func hiddenBias() throws {
    let folder = try SmallModels.folder()
    let source = try ModelSource.open(path: folder.path)
    var items = source.tensors.values.map {
      SafetensorsWriter.Item(
        name: $0.name, dimensions: TensorName.isNorm($0.name) ? [$0.shape.columns] : [$0.shape.rows, $0.shape.columns], dtype: $0.dtype)
    }
    items.append(.init(name: "model.layers.2.self_attn.q_proj.bias", dimensions: [64], dtype: .f32))
    try SafetensorsWriter(path: folder.file("model.safetensors"), items: items, replacing: true).commit()
    #expect(SmallModels.refusal(folder.path).contains("model.layers.2.self_attn.q_proj.bias: biases are not supported"))
  }

  @Test("NaN and infinite weights are found in every type and named", arguments: [DType.f32, .f16, .bf16])
  func notFinite(dtype: DType) throws {
    let folder = try SmallModels.folder(SmallModels.config, dtype)
    let name = TensorName.layer(2, .up)
    let source = try ModelSource.open(path: folder.path)
    try source.checkFinite()
    var bytes = try folder.read("model.safetensors")
    let last = try #require(source.tensors[name]).range.upperBound - dtype.block.bytes
    let infinity: [UInt8] = dtype == .f32 ? [0, 0, 0x80, 0xff] : dtype == .f16 ? [0, 0x7c] : [0xc1, 0x7f]
    bytes.replaceSubrange(last..<last + infinity.count, with: infinity)
    try folder.write("model.safetensors", bytes)
    let damaged = try ModelSource.open(path: folder.path)
    let expected = FormatError(folder.file("model.safetensors"), name, "holds NaN or infinite values")
    #expect(throws: expected) { try damaged.checkFinite() }
    for type in [nil, DType.f32, .q8_0] {
      #expect(throws: expected) { try ModelImport(damaged, matrixType: type).write(to: folder.file("out.hoof"), threads: 2) }
    }
    #expect(!folder.names().contains("out.hoof"))
  }
}
