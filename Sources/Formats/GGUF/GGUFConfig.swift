import Glibc

/// The config of a model of GGUF's architecture `llama`: metadata, and what of the tensors says more.
struct GGUFConfig {
  let config: LlamaConfig

  /// - Parameter rope: what rope_freqs.weight holds, the divisors of the rotary frequencies; nil when there is none.
  init(_ header: GGUFHeader, ropeFactors: [Float]?) throws(FormatError) {
    let metadata = header.metadata
    try GGUFConfig.checkArchitecture(metadata)
    let hidden = try metadata.requiredInt("llama.embedding_length", in: Limits.hidden)
    let count = try metadata.requiredInt("llama.block_count", in: Limits.layers)
    let heads = 0...Limits.heads.upperBound
    guard let queries = try metadata.perLayer("llama.attention.head_count", count: count, in: heads) else {
      throw metadata.error("llama.attention.head_count", "is missing")
    }
    let keys = try metadata.perLayer("llama.attention.head_count_kv", count: count, in: heads) ?? queries
    guard
      let intermediate = try metadata.perLayer("llama.feed_forward_length", count: count, in: 0...Limits.intermediate.upperBound)
    else { throw metadata.error("llama.feed_forward_length", "is missing") }
    var layers: [LlamaConfig.Layer] = []
    for index in 0..<count {
      let (queries, keys) = (queries[index], keys[index])
      guard keys == 0 ? queries == 0 : queries > 0 && queries % keys == 0 else {
        throw metadata.error("llama.attention.head_count_kv", "layer \(index) has \(queries) query heads for \(keys) key heads")
      }
      layers.append(.init(queryHeads: queries, keyHeads: keys, intermediateSize: intermediate[index]))
    }
    let headDim = try GGUFConfig.headDim(metadata, hidden: hidden, layers: layers)
    let vocabulary = try header.checked(GGUFName.embedding).rows
    guard Limits.vocabulary.contains(vocabulary) else { throw metadata.error(GGUFName.embedding, "has \(vocabulary) rows") }
    let ends = try GGUFConfig.tokens(metadata, vocabulary: vocabulary)
    config = LlamaConfig(
      hiddenSize: hidden, headDim: headDim, vocabularySize: vocabulary,
      contextLength: try metadata.requiredInt("llama.context_length", in: Limits.context),
      normEpsilon: try GGUFConfig.epsilon(metadata),
      ropeTheta: try metadata.double("llama.rope.freq_base", "above 0", where: { $0 > 0 && $0 < 1e30 }) ?? 10000,
      ropeScaling: try GGUFConfig.scaling(metadata, headDim: headDim, factors: ropeFactors),
      tiedEmbeddings: header.tensors[GGUFName.head] == nil, bosToken: ends.begin, eosTokens: ends.ends, layers: layers)
  }

  private static func checkArchitecture(_ metadata: GGUFMetadata) throws(FormatError) {
    guard let architecture = try metadata.string("general.architecture") else { throw metadata.error("general.architecture", "is missing") }
    guard architecture == "llama" else {
      throw metadata.error("general.architecture", "'\(architecture)' is not supported; llama is")
    }
    if let parts = try metadata.int("split.count", in: 0...65536), parts > 1 {
      throw metadata.error("split.count", "the model is split over \(parts) files; join them with llama-gguf-split --merge")
    }
    for key in ["llama.expert_count", "llama.attention.sliding_window"] {
      if let value = try metadata.int(key, in: 0...Int.max), value > 0 { throw metadata.error(key, "\(value) is not supported; 0 is") }
    }
  }

  private static func epsilon(_ metadata: GGUFMetadata) throws(FormatError) -> Double {
    let key = "llama.attention.layer_norm_rms_epsilon"
    guard let value = try metadata.double(key, "above 0 and below 1", where: { $0 > 0 && $0 < 1 }) else {
      throw metadata.error(key, "is missing")
    }
    return value
  }

  private static func headDim(_ metadata: GGUFMetadata, hidden: Int, layers: [LlamaConfig.Layer]) throws(FormatError) -> Int {
    let headDim: Int
    if let written = try metadata.int("llama.attention.key_length", in: Limits.headDim) {
      headDim = written
    } else {
      let heads = layers.map(\.queryHeads).max() ?? 0
      guard heads > 0, hidden % heads == 0, Limits.headDim.contains(hidden / heads) else {
        throw metadata.error("llama.attention.head_count", "\(heads) does not divide llama.embedding_length \(hidden)")
      }
      headDim = hidden / heads
    }
    guard headDim % 2 == 0 else {
      throw metadata.error("llama.attention.key_length", "\(headDim) is odd; rotary embedding needs pairs")
    }
    for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
      if let other = try metadata.int(key, in: 0...Int.max), other != headDim {
        throw metadata.error(key, "\(other) is not supported; heads have \(headDim) columns")
      }
    }
    return headDim
  }

  /// llama.cpp ends a text at any of these tokens, by id or by name.
  private static let endNames: Set<String> = ["<|eot_id|>", "<|eom_id|>", "<|im_end|>"]

  private static func tokens(_ metadata: GGUFMetadata, vocabulary: Int) throws(FormatError) -> (begin: Int?, ends: [Int]) {
    let ids = 0...vocabulary - 1
    let isSentencePiece = try metadata.string("tokenizer.ggml.model") == "llama"
    let begin = try metadata.int("tokenizer.ggml.bos_token_id", in: ids) ?? (isSentencePiece && vocabulary > 2 ? 1 : nil)
    if let own = try metadata.ints("hoof.eos_token_ids", in: ids) { return (begin, own) }
    var ends: [Int] = []
    for key in ["eos", "eot", "eom"] {
      if let id = try metadata.int("tokenizer.ggml.\(key)_token_id", in: ids), !ends.contains(id) { ends.append(id) }
    }
    if ends.isEmpty, isSentencePiece, vocabulary > 2 { ends = [2] }
    if !ends.isEmpty, let types = try metadata.ints("tokenizer.ggml.token_type", in: 0...255) {
      let special = types.indices.filter { types[$0] == GGUFTokenKind.control.rawValue }
      // Names are looked at only where there are tokens that nobody writes.
      if !special.isEmpty, let names = try metadata.strings("tokenizer.ggml.tokens") {
        ends += special.filter { $0 < min(names.count, vocabulary) && endNames.contains(names[$0]) && !ends.contains($0) }
      }
    }
    return (begin, ends)
  }

  private static func scaling(_ metadata: GGUFMetadata, headDim: Int, factors: [Float]?) throws(FormatError) -> LlamaConfig.RopeScaling {
    let (typeKey, factorKey) = ("llama.rope.scaling.type", "llama.rope.scaling.factor")
    var linear = 1.0
    switch try metadata.string(typeKey) ?? "linear" {
    case "none": break
    case "linear":
      for key in [factorKey, "llama.rope.scale_linear"] where linear == 1 {
        linear = try metadata.double(key, "of at least 1", where: { $0 == 0 || $0 >= 1 && $0 <= 1e9 }) ?? 1
        if linear == 0 { linear = 1 }
      }
    case let type: throw metadata.error(typeKey, "'\(type)' is not supported; none and linear are, and llama3's factors")
    }
    guard let factors, factors.contains(where: { $0 != 1 }) else { return linear == 1 ? .none : .linear(factor: linear) }
    guard linear == 1 else { throw metadata.error(factorKey, "\(linear) together with \(GGUFName.ropeFactors) is not supported") }
    let theta = try metadata.double("llama.rope.freq_base", "above 0", where: { $0 > 0 && $0 < 1e30 }) ?? 10000
    guard let scaling = RopeFactors.llama3(behind: factors, theta: theta, headDim: headDim, told: try told(metadata)) else {
      throw metadata.error(GGUFName.ropeFactors, "its factors are not those of Llama 3's rotary scaling, the only one that is supported")
    }
    return scaling
  }

  /// What hoof itself writes beside the factors.
  private static func told(_ metadata: GGUFMetadata) throws(FormatError) -> LlamaConfig.RopeScaling? {
    guard let values = try metadata.doubles("hoof.rope.llama3") else { return nil }
    guard values.count == 4, values[0] >= 1, values[1] > 0, values[2] > values[1], let context = Int(exactly: values[3]),
      Limits.context.contains(context)
    else { throw metadata.error("hoof.rope.llama3", "must be factor, low and high frequency factor, and original context") }
    return .llama3(factor: values[0], lowFrequencyFactor: values[1], highFrequencyFactor: values[2], originalContext: context)
  }
}

/// What Llama 3's rotary scaling divides each frequency by, as GGUF's rope_freqs.weight says it.
enum RopeFactors {
  /// headDim / 2 divisors; nil where frequencies are not scaled one by one.
  static func factors(of config: LlamaConfig) -> [Float]? {
    guard case .llama3(let factor, let low, let high, let context) = config.ropeScaling else { return nil }
    return (0..<config.headDim / 2).map { pair in
      let wavelength = 2 * Double.pi * pow(config.ropeTheta, Double(2 * pair) / Double(config.headDim))
      if wavelength < Double(context) / high { return 1 }
      if wavelength > Double(context) / low { return Float(factor) }
      let blend = (Double(context) / wavelength - low) / (high - low)
      return Float(1 / ((1 - blend) / factor + blend))
    }
  }

  /// The scaling with these factors: the one that is told, or one with Llama 3's 1 and 4 and a context that is a power of two.
  static func llama3(
    behind factors: [Float], theta: Double, headDim: Int, told: LlamaConfig.RopeScaling?
  ) -> LlamaConfig.RopeScaling? {
    guard factors.count == headDim / 2, let greatest = factors.max(), greatest >= 1, greatest <= 1e9 else { return nil }
    let contexts = (8...20).map { 1 << $0 }.sorted { abs($0 - 8192) < abs($1 - 8192) }
    let guesses = contexts.map {
      LlamaConfig.RopeScaling.llama3(
        factor: Double(greatest), lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: $0)
    }
    return ([told].compactMap { $0 } + guesses).first { guess in
      var config = LlamaConfig(hiddenSize: 1, headDim: headDim, vocabularySize: 1, contextLength: 1, tiedEmbeddings: true, layers: [])
      (config.ropeTheta, config.ropeScaling) = (theta, guess)
      // Others compute them in single precision.
      return zip(RopeFactors.factors(of: config)!, factors).allSatisfy { abs($0 - $1) <= 1e-4 * abs($1) }
    }
  }
}
