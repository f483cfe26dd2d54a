import JSON

/// Reading config.json of transformers, old keys (`rope_theta`, `rope_scaling`, `torch_dtype`) and new ones (`rope_parameters`, `dtype`).
/// Absent keys get the defaults of transformers' LlamaConfig.
struct HuggingFaceConfig {
  let config: LlamaConfig

  /// - Parameter generation: generation_config.json; its ends of text win, as they do in transformers' generate().
  init(_ fields: Fields, generation: Fields?) throws(FormatError) {
    let modelType = try HuggingFaceConfig.checkArchitecture(fields)
    try HuggingFaceConfig.checkFeatures(fields)
    let hidden = try fields.requiredInt("hidden_size", in: Limits.hidden)
    let intermediate = try fields.requiredInt("intermediate_size", in: Limits.intermediate)
    let layerCount = try fields.requiredInt("num_hidden_layers", in: Limits.layers)
    let queryHeads = try fields.requiredInt("num_attention_heads", in: Limits.heads)
    let vocabulary = try fields.requiredInt("vocab_size", in: Limits.vocabulary)
    let writtenKeyHeads = try fields.int("num_key_value_heads", in: Limits.heads)
    guard let keyHeads = writtenKeyHeads ?? (modelType == "llama" ? queryHeads : nil) else {
      throw fields.error("num_key_value_heads", "is missing")
    }
    guard queryHeads % keyHeads == 0 else {
      throw fields.error("num_key_value_heads", "\(keyHeads) does not divide num_attention_heads \(queryHeads)")
    }
    let headDim: Int
    if let written = try fields.int("head_dim", in: Limits.headDim) {
      headDim = written
    } else {
      guard hidden % queryHeads == 0, Limits.headDim.contains(hidden / queryHeads) else {
        throw fields.error("num_attention_heads", "\(queryHeads) does not divide hidden_size \(hidden), and head_dim is missing")
      }
      headDim = hidden / queryHeads
    }
    guard headDim % 2 == 0 else { throw fields.error("head_dim", "\(headDim) is odd; rotary embedding needs pairs") }
    let rope = try HuggingFaceConfig.rope(fields)
    let configEnds = try HuggingFaceConfig.ids("eos_token_id", fields, vocabulary: vocabulary)
    var generationEnds: [Int]?
    if let generation { generationEnds = try HuggingFaceConfig.ids("eos_token_id", generation, vocabulary: vocabulary) }
    let layer = LlamaConfig.Layer(queryHeads: queryHeads, keyHeads: keyHeads, intermediateSize: intermediate)
    config = LlamaConfig(
      hiddenSize: hidden, headDim: headDim, vocabularySize: vocabulary,
      contextLength: try fields.int("max_position_embeddings", in: Limits.context) ?? 2048,
      normEpsilon: try fields.double("rms_norm_eps", "above 0 and below 1", where: { $0 > 0 && $0 < 1 }) ?? 1e-6,
      ropeTheta: rope.theta, ropeScaling: rope.scaling, tiedEmbeddings: try fields.bool("tie_word_embeddings") ?? false,
      bosToken: try HuggingFaceConfig.ids("bos_token_id", fields, vocabulary: vocabulary)?.first,
      eosTokens: generationEnds ?? configEnds ?? [],
      layers: Array(repeating: layer, count: layerCount))
  }

  private static func checkArchitecture(_ fields: Fields) throws(FormatError) -> String {
    let causal = ["llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM"]
    guard let type = try fields.string("model_type") else { throw fields.error("model_type", "is missing") }
    guard let expected = causal[type] else {
      throw fields.error("model_type", "'\(type)' is not supported; models of the Llama family are")
    }
    if let names = try fields.array("architectures"), !names.isEmpty, !names.contains(.string(expected)) {
      throw fields.error("architectures", "'\(names[0].string ?? names[0].text())' is not supported; \(expected) is")
    }
    // transformers' Mistral default is a window of 4096, so an absent key is not "none".
    if type == "mistral", fields.object["sliding_window"] != .null {
      throw fields.error("sliding_window", "attention with a sliding window is not supported")
    }
    return type
  }

  private static func checkFeatures(_ fields: Fields) throws(FormatError) {
    for name in ["attention_bias", "mlp_bias"] where try fields.bool(name) == true { throw fields.error(name, "biases are not supported") }
    if let activation = try fields.string("hidden_act"), activation != "silu", activation != "swish" {
      throw fields.error("hidden_act", "'\(activation)' is not supported; silu is")
    }
    if let quantization = fields["quantization_config"] {
      let method = quantization["quant_method"]?.string ?? "unnamed method"
      throw fields.error("quantization_config", "the folder is already quantised (\(method)); give the original weights")
    }
  }

  private static func ids(_ name: String, _ fields: Fields, vocabulary: Int) throws(FormatError) -> [Int]? {
    guard let value = fields[name] else { return nil }
    var ids: [Int] = []
    for element in value.array ?? [value] {
      guard let id = element.int, id >= 0, id < vocabulary else {
        throw fields.error(name, "must be token ids below vocab_size \(vocabulary)")
      }
      ids.append(id)
    }
    return ids
  }

  static func rope(_ fields: Fields) throws(FormatError) -> (theta: Double, scaling: LlamaConfig.RopeScaling) {
    let (new, old) = (try fields.fields("rope_parameters"), try fields.fields("rope_scaling"))
    let parameters = new ?? old
    var base = try theta(fields)
    if let parameters, let inner = try theta(parameters) { base = inner }
    let theta = base ?? 10000
    for place in [fields, parameters].compactMap({ $0 }) {
      if let share = try place.double("partial_rotary_factor", "above 0", where: { $0 > 0 }), share != 1 {
        throw place.error("partial_rotary_factor", "\(share) is not supported; every column is rotated")
      }
    }
    guard let parameters else { return (theta, .none) }
    return (theta, try scaling(parameters, config: fields))
  }

  private static func theta(_ fields: Fields) throws(FormatError) -> Double? {
    try fields.double("rope_theta", "above 0", where: { $0 > 0 })
  }

  private static func scaling(_ fields: Fields, config: Fields) throws(FormatError) -> LlamaConfig.RopeScaling {
    func factor(_ name: String, _ least: Double) throws(FormatError) -> Double {
      guard let value = try fields.double(name, "of at least \(least)", where: { $0 >= least && $0 <= 1e9 }) else {
        throw fields.error(name, "is missing")
      }
      return value
    }
    let (new, old) = (try fields.string("rope_type"), try fields.string("type"))
    switch new ?? old ?? "default" {
    case "default": return .none
    case "linear": return .linear(factor: try factor("factor", 1))
    case "llama3":
      let name = "original_max_position_embeddings"
      let (inner, outer) = (try fields.int(name, in: Limits.context), try config.int(name, in: Limits.context))
      guard let context = inner ?? outer else {
        throw fields.error(name, "is missing")
      }
      let (low, high) = (try factor("low_freq_factor", 1e-6), try factor("high_freq_factor", 1e-6))
      guard low < high else { throw fields.error("high_freq_factor", "\(high) must be above low_freq_factor \(low)") }
      return .llama3(factor: try factor("factor", 1), lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: context)
    case let type: throw fields.error("rope_type", "'\(type)' is not supported; default, linear and llama3 are")
    }
  }
}
