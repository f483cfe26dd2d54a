import JSON

/// The JSON header of a .hoof file: everything but the weights, the tokenizer's bytes and the tensor table.
struct HoofHeader: Sendable {
  var config: LlamaConfig
  var chatTemplate: String?
  var history: [JSON]
  var originalLayers: [Int]
  /// Fingerprint of the model this one was converted from, when nothing was cut on the way.
  var origin: String?

  init(config: LlamaConfig, chatTemplate: String?, history: [JSON], originalLayers: [Int], origin: String? = nil) {
    self.config = config
    self.chatTemplate = chatTemplate
    self.history = history
    self.originalLayers = originalLayers
    self.origin = origin
  }

  var json: JSON {
    var object: JSON.Object = ["format": "hoof", "config": config.json]
    if let chatTemplate { object["chat_template"] = .string(chatTemplate) }
    object["history"] = .array(history)
    object["original_layers"] = .array(originalLayers.map { .int($0) })
    if let origin { object["origin"] = .string(origin) }
    object["patches"] = config.patchesJSON
    return .object(object)
  }

  init(_ fields: Fields) throws(FormatError) {
    guard let config = try fields.fields("config") else { throw fields.error("config", "is missing") }
    self.config = try LlamaConfig(config)
    chatTemplate = try fields.string("chat_template")
    history = try fields.array("history") ?? []
    origin = try fields.string("origin")
    try self.config.addPatches(fields)
    originalLayers = try fields.ints("original_layers", in: 0...Limits.layers.upperBound)
    guard originalLayers.count == self.config.layers.count else {
      throw fields.error("original_layers", "has \(originalLayers.count) entries for \(self.config.layers.count) layers")
    }
  }
}

extension Fields {
  /// A list that must be there and hold whole numbers in `range`.
  func ints(_ name: String, in range: ClosedRange<Int>) throws(FormatError) -> [Int] {
    guard let values = try array(name) else { throw error(name, "is missing") }
    var ints: [Int] = []
    for value in values {
      guard let int = value.int, range.contains(int) else {
        throw error(name, "must hold whole numbers from \(range.lowerBound) to \(range.upperBound)")
      }
      ints.append(int)
    }
    return ints
  }
}

extension LlamaConfig {
  /// The config as the .hoof header and reports write it: the names of transformers, with a list where layers may differ.
  public var json: JSON {
    var rope: JSON.Object = ["rope_theta": .double(ropeTheta)]
    switch ropeScaling {
    case .none: rope["rope_type"] = "default"
    case .linear(let factor):
      rope["rope_type"] = "linear"
      rope["factor"] = .double(factor)
    case .llama3(let factor, let low, let high, let context):
      rope["rope_type"] = "llama3"
      rope["factor"] = .double(factor)
      rope["low_freq_factor"] = .double(low)
      rope["high_freq_factor"] = .double(high)
      rope["original_max_position_embeddings"] = .int(context)
    }
    return [
      "hidden_size": .int(hiddenSize), "head_dim": .int(headDim), "vocab_size": .int(vocabularySize),
      "max_position_embeddings": .int(contextLength), "rms_norm_eps": .double(normEpsilon), "rope_parameters": .object(rope),
      "tie_word_embeddings": .bool(tiedEmbeddings), "bos_token_id": bosToken.map { .int($0) } ?? nil,
      "eos_token_ids": .array(eosTokens.map { .int($0) }), "num_hidden_layers": .int(layers.count),
      "query_heads": .array(layers.map { .int($0.queryHeads) }), "key_value_heads": .array(layers.map { .int($0.keyHeads) }),
      "intermediate_sizes": .array(layers.map { .int($0.intermediateSize) }),
    ]
  }

  init(_ fields: Fields) throws(FormatError) {
    let count = try fields.requiredInt("num_hidden_layers", in: Limits.layers)
    let queryHeads = try fields.ints("query_heads", in: 0...Limits.heads.upperBound)
    let keyHeads = try fields.ints("key_value_heads", in: 0...Limits.heads.upperBound)
    let intermediate = try fields.ints("intermediate_sizes", in: 0...Limits.intermediate.upperBound)
    for (name, list) in [("query_heads", queryHeads), ("key_value_heads", keyHeads), ("intermediate_sizes", intermediate)] {
      guard list.count == count else { throw fields.error(name, "has \(list.count) entries for \(count) layers") }
    }
    var layers: [Layer] = []
    for index in 0..<count {
      let (queries, keys) = (queryHeads[index], keyHeads[index])
      guard keys == 0 ? queries == 0 : queries > 0 && queries % keys == 0 else {
        throw fields.error("key_value_heads", "layer \(index) has \(queries) query heads for \(keys) key heads")
      }
      layers.append(Layer(queryHeads: queries, keyHeads: keys, intermediateSize: intermediate[index]))
    }
    let headDim = try fields.requiredInt("head_dim", in: Limits.headDim)
    guard headDim % 2 == 0 else { throw fields.error("head_dim", "\(headDim) is odd; rotary embedding needs pairs") }
    let vocabulary = try fields.requiredInt("vocab_size", in: Limits.vocabulary)
    guard let rope = try fields.fields("rope_parameters") else { throw fields.error("rope_parameters", "is missing") }
    let (theta, scaling) = try HuggingFaceConfig.rope(fields)
    guard rope["rope_theta"] != nil else { throw rope.error("rope_theta", "is missing") }
    guard let epsilon = try fields.double("rms_norm_eps", "above 0 and below 1", where: { $0 > 0 && $0 < 1 }) else {
      throw fields.error("rms_norm_eps", "is missing")
    }
    guard let tied = try fields.bool("tie_word_embeddings") else { throw fields.error("tie_word_embeddings", "is missing") }
    self.init(
      hiddenSize: try fields.requiredInt("hidden_size", in: Limits.hidden), headDim: headDim, vocabularySize: vocabulary,
      contextLength: try fields.requiredInt("max_position_embeddings", in: Limits.context), normEpsilon: epsilon, ropeTheta: theta,
      ropeScaling: scaling, tiedEmbeddings: tied, bosToken: try fields.int("bos_token_id", in: 0...vocabulary - 1),
      eosTokens: try fields.ints("eos_token_ids", in: 0...vocabulary - 1), layers: layers)
  }
}
