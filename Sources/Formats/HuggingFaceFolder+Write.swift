import JSON
import TensorCore

extension ModelImport {
  /// Writes the model as transformers saves one, which `ModelSource.open` and everybody else read. All weights have the embedding's type,
  /// norms too, as others expect. The files appear together; a folder that was there keeps what else is in it.
  /// - Parameter replacing: whether a model may be there already.
  /// - Throws: for a model that this format cannot hold (layers that differ, patches, quantised weights), NaN or infinite weights, an existing
  ///   model without `replacing`, a full disk, a stop by `progress`.
  public func write(
    toFolder folder: String, replacing: Bool = false, progress: Progress = { _, _ in true }
  ) throws(FormatError) {
    try HuggingFaceExport(self, .init(dtype: folderType(folder), shardBytes: .max, isStrict: true))
      .write(to: folder, replacing: replacing, threads: 1, progress: progress)
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
}

extension LlamaConfig {
  /// config.json of transformers, for a model whose layers are all alike.
  func huggingFaceJSON(dtype: DType) -> JSON {
    var object = json.object!
    for name in ["query_heads", "key_value_heads", "intermediate_sizes", "eos_token_ids"] { object[name] = nil }
    object["architectures"] = ["LlamaForCausalLM"]
    object["model_type"] = "llama"
    object["hidden_act"] = "silu"
    // transformers before 5 does not look into rope_parameters.
    object["rope_theta"] = .double(ropeTheta)
    if case .none = ropeScaling {
    } else if var scaling = object["rope_parameters"]?.object {
      scaling["rope_theta"] = nil
      object["rope_scaling"] = .object(scaling)
    }
    object["num_attention_heads"] = .int(layers[0].queryHeads)
    object["num_key_value_heads"] = .int(layers[0].keyHeads)
    object["intermediate_size"] = .int(layers[0].intermediateSize)
    object["eos_token_id"] = eosJSON
    object["dtype"] = dtype == .f32 ? "float32" : dtype == .f16 ? "float16" : "bfloat16"
    return .object(object)
  }

  /// generation_config.json
  var generationJSON: JSON { ["bos_token_id": bosToken.map { .int($0) } ?? nil, "eos_token_id": eosJSON] }

  private var eosJSON: JSON { .array(eosTokens.map { .int($0) }) }
}
