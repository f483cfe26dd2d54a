import Glibc
import JSON
import TensorCore

extension ModelImport {
  /// Writes the model as transformers saves one, which `ModelSource.open` and everybody else read: config.json, model.safetensors,
  /// generation_config.json, and with a tokenizer its two files. All weights have the embedding's type, norms too, as others expect.
  ///
  /// Every file is complete before it gets its name, config.json last: a folder is a model once it has that. A folder that was there keeps
  /// what else is in it.
  /// - Parameter replacing: whether a model may be there already.
  /// - Throws: for a model that this format cannot hold (layers that differ, patches, quantised weights), NaN or infinite weights, an existing
  ///   model without `replacing`, a full disk, a stop by `progress`.
  public func write(
    toFolder folder: String, replacing: Bool = false, progress: Progress = { _, _ in true }
  ) throws(FormatError) {
    let type = try folderType(folder)
    func path(_ name: String) -> String { folder.hasSuffix("/") ? folder + name : folder + "/" + name }
    if mkdir(folder, 0o777) != 0, errno != EEXIST { throw FormatError(folder, nil, "cannot be made: \(systemReason(errno))") }
    try OutputFile.check(path("config.json"), replacing: replacing)

    let writer = try SafetensorsWriter(
      path: path("model.safetensors"),
      items: items.map {
        .init(name: $0.name, dimensions: TensorName.isNorm($0.name) ? [$0.shape.columns] : [$0.shape.rows, $0.shape.columns], dtype: type)
      }, replacing: replacing)
    let total = items.reduce(0) { $0 + $1.inputBytes }
    var done = 0
    for (index, item) in items.enumerated() {
      try writer.write(bytes(of: Item(name: item.name, dtype: type, shape: item.shape, content: item.content)), of: index)
      done += item.inputBytes
      guard progress(done, total) else { throw FormatError(folder, nil, "stopped; the model is not complete") }
    }
    try writer.commit()
    if let tokenizer = source.tokenizer {
      try write(tokenizer, to: path("tokenizer.json"), replacing: replacing)
      try write(tokenizerSettings(tokenizer), to: path("tokenizer_config.json"), replacing: replacing)
    }
    try write(config.generationJSON, to: path("generation_config.json"), replacing: replacing)
    try write(config.huggingFaceJSON(dtype: type), to: path("config.json"), replacing: replacing)
  }

  /// The one type of all weights.
  private func folderType(_ folder: String) throws(FormatError) -> DType {
    func refuse(_ field: String, _ reason: String) -> FormatError {
      FormatError(folder, field, "\(reason), which a Hugging Face folder cannot say; write a .hoof file")
    }
    let first = config.layers[0]
    for (index, layer) in config.layers.enumerated() {
      if layer.patch != nil || layer.attentionShortcut || layer.mlpShortcut { throw refuse("layer \(index)", "has a patch") }
      if layer != first { throw refuse("layer \(index)", "has other sizes than layer 0") }
      if layer.queryHeads == 0 || layer.intermediateSize == 0 { throw refuse("layer \(index)", "lacks a sublayer") }
    }
    if config.finalPatch != nil { throw refuse("final patch", "there is one") }
    guard let type = items.first(where: { $0.name == TensorName.embedding })?.dtype, type.isDense else {
      throw FormatError(folder, nil, "a Hugging Face folder holds no block-quantised weights; choose --bf16, --f16 or --f32")
    }
    return type
  }

  private func write(_ json: JSON, to path: String, replacing: Bool) throws(FormatError) {
    try write(Array((json.text(pretty: true) + "\n").utf8), to: path, replacing: replacing)
  }

  private func write(_ bytes: [UInt8], to path: String, replacing: Bool) throws(FormatError) {
    let output = try OutputFile(path: path, byteCount: bytes.count, replacing: replacing)
    try output.write(bytes, at: 0)
    try output.commit()
  }

  /// What transformers wants to know beside tokenizer.json. Names of tokens are looked up there.
  private func tokenizerSettings(_ tokenizer: [UInt8]) -> JSON {
    let tokens = (try? JSON(parsing: tokenizer))?["added_tokens"]?.array ?? []
    func name(_ id: Int?) -> JSON? { id.flatMap { id in tokens.first { $0["id"]?.int == id }?["content"] } }
    var settings: JSON.Object = ["tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false]
    settings["bos_token"] = name(config.bosToken)
    settings["eos_token"] = name(config.eosTokens.first)
    if let chatTemplate = source.chatTemplate { settings["chat_template"] = .string(chatTemplate) }
    settings["model_max_length"] = .int(config.contextLength)
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    return .object(settings)
  }
}

extension LlamaConfig {
  /// config.json of transformers, for a model whose layers are all alike.
  func huggingFaceJSON(dtype: DType) -> JSON {
    var object = json.object!
    for name in ["query_heads", "key_value_heads", "intermediate_sizes", "eos_token_ids"] { object[name] = nil }
    object["architectures"] = ["LlamaForCausalLM"]
    object["model_type"] = "llama"
    object["hidden_act"] = "silu"
    object["num_attention_heads"] = .int(layers[0].queryHeads)
    object["num_key_value_heads"] = .int(layers[0].keyHeads)
    object["intermediate_size"] = .int(layers[0].intermediateSize)
    object["eos_token_id"] = eosJSON
    object["dtype"] = dtype == .f32 ? "float32" : dtype == .f16 ? "float16" : "bfloat16"
    return .object(object)
  }

  /// generation_config.json
  fileprivate var generationJSON: JSON { ["bos_token_id": bosToken.map { .int($0) } ?? nil, "eos_token_id": eosJSON] }

  private var eosJSON: JSON { .array(eosTokens.map { .int($0) }) }
}
