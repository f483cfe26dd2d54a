import JSON
import TensorCore

/// A model as a GGUF file of the architecture `llama`, which llama.cpp and its kin load. Made before anything is written, so that what the
/// format cannot hold is known. llama.cpp reads lists of sizes for that architecture but gives all layers the first one's, so that layers
/// must be alike.
public struct GGUFExport: Sendable {
  public let plan: ModelImport
  private let model: UniformModel
  private let name: String
  private let vocabulary: [GGUFEntry]
  private let tokenizerNotes: [String]
  /// What was changed so that the format can hold the model, a sentence each.
  public var changes: [String] { model.changes }
  public var notes: [String] { model.notes + tokenizerNotes }
  public var config: LlamaConfig { model.config }
  public var parameters: Int { model.parameters }
  public var bytes: Int { model.bytes }

  /// Where layers have different numbers of neurons, they are made a multiple of this: whole blocks of q4_K.
  public static let neuronMultiple = 256

  /// - Parameters:
  ///   - isStrict: refuses a model that the format does not hold as it is.
  ///   - name: what the file calls the model; nil for the source's name.
  /// - Throws: for maps of the residual stream that no weight can take over, a tokenizer that llama.cpp has no name for, with `isStrict` for
  ///   anything that has to be changed.
  public init(_ plan: ModelImport, isStrict: Bool = false, name: String? = nil) throws(FormatError) {
    self.plan = plan
    model = try UniformModel(
      plan, .init(neuronMultiple: GGUFExport.neuronMultiple, holdsBlocks: true, interleavesHeads: true), format: "GGUF")
    let bare = plan.source.path.split(separator: "/").last.map(String.init) ?? "model"
    self.name = name ?? (bare.hasSuffix(".hoof") || bare.hasSuffix(".gguf") ? String(bare.dropLast(5)) : bare)
    if isStrict, let change = model.changes.first {
      throw FormatError(plan.source.path, nil, "\(change); --strict writes only what GGUF's llama models hold as it is")
    }
    if let tokenizer = plan.source.tokenizer {
      let made = try GGUFVocabulary(tokenizer, model.config, path: plan.source.path)
      (vocabulary, tokenizerNotes) = (made.entries, made.notes)
    } else {
      vocabulary =
        [.init("tokenizer.ggml.model", .string("no_vocab"))] + GGUFVocabulary.ends(of: model.config, begin: model.config.bosToken)
      tokenizerNotes = ["the model has no tokenizer: the file will have none"]
    }
  }

  /// Writes the file, which appears when it is complete.
  /// - Throws: for NaN or infinite weights, values that a type cannot hold, an existing file without `replacing`, a full disk, a stop by
  ///   `progress`.
  public func write(to path: String, replacing: Bool = false, threads: Int, progress: ModelImport.Progress = { _, _ in true })
    throws(FormatError)
  {
    try plan.checkIsNotSource(path)
    let tensors = model.tensors
    let factors = RopeFactors.factors(of: model.config)
    // Vectors first, as llama.cpp's own converter writes rope_freqs; the order is free.
    var offsets: [Int] = []
    var end = factors.map { GGUFExport.aligned(4 * $0.count) } ?? 0
    for tensor in tensors {
      offsets.append(end)
      end = GGUFExport.aligned(end + tensor.byteCount)
    }
    let header = header(factors: factors, offsets: offsets)
    let output = try OutputFile(path: path, byteCount: header.count + end, replacing: replacing)
    try output.write(header, at: 0)
    if let factors { try output.write(factors.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }, at: header.count) }
    let starts = offsets.map { $0 + header.count }
    try WeightStream(tensors: tensors, path: path).run(threads: threads, progress: progress) {
      (tensor, offset, bytes) throws(FormatError) in
      try output.write(bytes, at: starts[tensor] + offset)
      output.startFlush(starts[tensor] + offset..<starts[tensor] + offset + bytes.count)
    }
    try output.commit()
  }

  private static func aligned(_ size: Int) -> Int {
    (size + GGUFHeader.defaultAlignment - 1) / GGUFHeader.defaultAlignment * GGUFHeader.defaultAlignment
  }

  /// Everything in front of the first tensor's bytes.
  private func header(factors: [Float]?, offsets: [Int]) -> [UInt8] {
    let entries = metadata(factors: factors)
    var bytes = GGUFHeader.magic
    GGUFEntry.append(UInt32(3), to: &bytes)
    GGUFEntry.append(UInt64(model.tensors.count + (factors == nil ? 0 : 1)), to: &bytes)
    GGUFEntry.append(UInt64(entries.count), to: &bytes)
    for entry in entries { entry.append(to: &bytes) }
    func append(_ name: String, _ dimensions: [Int], _ type: DType, _ offset: Int) {
      GGUFEntry.append(name, to: &bytes)
      GGUFEntry.append(UInt32(dimensions.count), to: &bytes)
      for size in dimensions { GGUFEntry.append(UInt64(size), to: &bytes) }
      GGUFEntry.append(GGUFType(type).rawValue, to: &bytes)
      GGUFEntry.append(UInt64(offset), to: &bytes)
    }
    if let factors { append(GGUFName.ropeFactors, [factors.count], .f32, 0) }
    let names = GGUFName.names(of: model.config)
    for (tensor, offset) in zip(model.tensors, offsets) {
      let shape = tensor.shape
      append(names[tensor.name]!, TensorName.isNorm(tensor.name) ? [shape.columns] : [shape.columns, shape.rows], tensor.dtype, offset)
    }
    bytes += Array(repeating: 0, count: GGUFExport.aligned(bytes.count) - bytes.count)
    return bytes
  }

  private func metadata(factors: [Float]?) -> [GGUFEntry] {
    let (config, layer) = (model.config, model.config.layers[0])
    func number(_ key: String, _ value: Int) -> GGUFEntry { .init(key, .uint32(UInt32(value))) }
    var entries: [GGUFEntry] = [
      .init("general.architecture", .string("llama")), .init("general.type", .string("model")), .init("general.name", .string(name)),
      number("llama.block_count", config.layers.count), number("llama.context_length", config.contextLength),
      number("llama.embedding_length", config.hiddenSize), number("llama.feed_forward_length", layer.intermediateSize),
      number("llama.attention.head_count", layer.queryHeads), number("llama.attention.head_count_kv", layer.keyHeads),
      number("llama.attention.key_length", config.headDim), number("llama.attention.value_length", config.headDim),
      .init("llama.attention.layer_norm_rms_epsilon", .float(Float(config.normEpsilon))),
      number("llama.rope.dimension_count", config.headDim), .init("llama.rope.freq_base", .float(Float(config.ropeTheta))),
      number("llama.vocab_size", config.vocabularySize), number("general.file_type", fileType),
    ]
    if model.tensors.contains(where: { !$0.dtype.isDense }) { entries.append(number("general.quantization_version", 2)) }
    switch config.ropeScaling {
    case .none: break
    case .linear(let factor):
      entries += [.init("llama.rope.scaling.type", .string("linear")), .init("llama.rope.scaling.factor", .float(Float(factor)))]
    case .llama3(let factor, let low, let high, let context):
      // Beside the divisors in rope_freqs.weight, from which they cannot be told with certainty.
      entries.append(.init("hoof.rope.llama3", .floats([Float(factor), Float(low), Float(high), Float(context)])))
    }
    entries += vocabulary
    if let template = plan.source.chatTemplate { entries.append(.init("tokenizer.chat_template", .string(template))) }
    if !plan.history.isEmpty {
      entries += [
        .init("hoof.history", .string(JSON.array(plan.history).text())),
        .init("hoof.original_layers", .ints(model.layers.map { Int32(plan.originalLayers[$0]) })),
      ]
    }
    return entries
  }

  /// llama.cpp's number for the type of most weights.
  private var fileType: Int {
    var weights: [DType: Int] = [:]
    for tensor in model.tensors { weights[tensor.dtype, default: 0] += tensor.shape.count }
    switch weights.max(by: { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) })?.key {
    case .f16: return 1
    case .q8_0: return 7
    case .q4_K: return 14
    case .bf16: return 32
    default: return 0
    }
  }
}
