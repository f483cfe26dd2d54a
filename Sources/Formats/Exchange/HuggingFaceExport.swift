import JSON
import TensorCore

/// A model as a folder in the format of Hugging Face, a plain LlamaForCausalLM that gives the same logits. Made before anything is written, so
/// that what the format cannot hold is known.
public struct HuggingFaceExport: Sendable {
  /// What the user decides.
  public struct Options: Sendable {
    /// f32, f16 or bf16; nil for the type of the matrices where all have one of these, else f32.
    public var dtype: DType?
    /// The most bytes of weights in one file; a tensor that is larger gets a file of its own.
    public var shardBytes: Int
    /// Refuses a model that the format does not hold as it is.
    public var isStrict: Bool
    /// What the model card calls the model, and the one it comes from.
    public var name: String?
    public var base: String?

    public init(dtype: DType? = nil, shardBytes: Int = 5 << 30, isStrict: Bool = false, name: String? = nil, base: String? = nil) {
      self.dtype = dtype
      self.shardBytes = shardBytes
      self.isStrict = isStrict
      self.name = name
      self.base = base
    }
  }

  public let plan: ModelImport
  public let dtype: DType
  private let options: Options
  private let model: UniformModel
  /// What was changed so that the format can hold the model, a sentence each.
  public var changes: [String] { model.changes }
  public var notes: [String] { model.notes }
  public var config: LlamaConfig { model.config }
  public var parameters: Int { model.parameters }
  public var bytes: Int { model.bytes }

  /// - Throws: for maps of the residual stream that no weight can take over; with `isStrict` for anything that has to be changed.
  public init(_ plan: ModelImport, _ options: Options = Options()) throws(FormatError) {
    precondition(options.dtype?.isDense ?? true && options.dtype != .i32, "export: \(options.dtype!.name)")
    let matrices = Set(plan.items.filter { !TensorName.isNorm($0.name) && !TensorName.isResidualMap($0.name) }.map(\.dtype))
    let own = matrices.count == 1 && matrices.first!.isDense ? matrices.first! : .f32
    // What is multiplied into the embedding is exact in f32 only.
    let hasMaps = plan.config.tensorShapes.contains { TensorName.isResidualMap($0.name) }
    dtype = options.dtype ?? (hasMaps ? .f32 : own)
    model = try UniformModel(plan, .init(dtype: dtype), format: "a Hugging Face folder")
    self.plan = plan
    self.options = options
    if options.isStrict, let change = model.changes.first {
      throw FormatError(plan.source.path, nil, "\(change); --strict writes only what a LlamaForCausalLM holds as it is")
    }
  }

  /// Writes the folder: it appears, or its files are replaced, when all of them are complete.
  /// - Parameter replacing: whether a model may be there already; what is not part of one stays.
  /// - Throws: for NaN or infinite weights, values that the type cannot hold, an existing model without `replacing`, a full disk, a stop by
  ///   `progress`.
  public func write(to folder: String, replacing: Bool = false, threads: Int, progress: ModelImport.Progress = { _, _ in true })
    throws(FormatError)
  {
    try plan.checkIsNotSource(folder: folder)
    let output = try OutputFolder(path: folder, mark: "config.json", replacing: replacing)
    let names = try writeWeights(output, threads: threads, progress: progress)
    for (name, bytes) in try smallFiles() { try output.write(bytes, as: name) }
    try output.commit(mark: "config.json") { old in
      HuggingFaceExport.isWeights(old) && !names.contains(old)
    }
  }

  /// Whether a loader would take the file for weights of the model.
  private static func isWeights(_ name: String) -> Bool {
    name == "model.safetensors" || name == "model.safetensors.index.json" || name.hasPrefix("model-") && name.hasSuffix(".safetensors")
  }

  /// The tensors of each file, in order.
  var shards: [[Int]] {
    var shards: [[Int]] = [[]]
    var size = 0
    for (index, tensor) in model.tensors.enumerated() {
      if size + tensor.byteCount > options.shardBytes, !shards[shards.count - 1].isEmpty {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(index)
      size += tensor.byteCount
    }
    return shards
  }

  private func writeWeights(_ output: OutputFolder, threads: Int, progress: ModelImport.Progress) throws(FormatError) -> Set<String> {
    let shards = shards
    func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number) }
    let names = shards.indices.map {
      shards.count == 1 ? "model.safetensors" : "model-\(padded($0 + 1))-of-\(padded(shards.count)).safetensors"
    }
    var writers: [SafetensorsWriter] = []
    var places: [(writer: Int, item: Int)] = []
    for (shard, indices) in shards.enumerated() {
      let items = indices.map { index in
        let (name, shape) = (model.tensors[index].name, model.tensors[index].shape)
        return SafetensorsWriter.Item(
          name: name, dimensions: TensorName.isNorm(name) ? [shape.columns] : [shape.rows, shape.columns], dtype: dtype)
      }
      writers.append(try SafetensorsWriter(path: output.file(names[shard]), items: items))
      places += indices.indices.map { (shard, $0) }
    }
    let (open, targets) = (writers, places)
    try WeightStream(tensors: model.tensors, path: output.path).run(threads: threads, progress: progress) {
      (tensor, offset, bytes) throws(FormatError) in
      try open[targets[tensor].writer].write(bytes, of: targets[tensor].item, at: offset)
    }
    for writer in writers { try writer.commit() }
    guard shards.count > 1 else { return Set(names) }
    var weightMap: JSON.Object = [:]
    for (shard, indices) in shards.enumerated() { for index in indices { weightMap[model.tensors[index].name] = .string(names[shard]) } }
    let index: JSON = [
      "metadata": ["total_parameters": .int(model.parameters), "total_size": .int(model.bytes)], "weight_map": .object(weightMap),
    ]
    try output.write(HuggingFaceExport.text(index), as: "model.safetensors.index.json")
    return Set(names + ["model.safetensors.index.json"])
  }

  private func smallFiles() throws(FormatError) -> [(String, [UInt8])] {
    var files = [
      ("config.json", HuggingFaceExport.text(model.config.huggingFaceJSON(dtype: dtype))),
      ("generation_config.json", HuggingFaceExport.text(model.config.generationJSON)),
      ("README.md", Array(ModelCard(self, name: options.name, base: options.base).text.utf8)),
    ]
    if let tokenizer = plan.source.tokenizer {
      let settings = TokenizerSettings(plan.source, tokenizer)
      files += [
        ("tokenizer.json", tokenizer), ("tokenizer_config.json", HuggingFaceExport.text(settings.json)),
        ("special_tokens_map.json", HuggingFaceExport.text(settings.specialTokens)),
      ]
    }
    return files
  }

  private static func text(_ json: JSON) -> [UInt8] { Array((json.text(pretty: true) + "\n").utf8) }
}

/// What transformers wants to know beside tokenizer.json. Names of tokens are looked up there.
private struct TokenizerSettings {
  let source: ModelSource
  /// "bos_token" and the like, as far as they are known.
  let specialTokens: JSON

  init(_ source: ModelSource, _ tokenizer: [UInt8]) {
    self.source = source
    let file = try? JSON(parsing: tokenizer)
    let tokens = file?["added_tokens"]?.array ?? []
    func name(_ id: Int?) -> JSON? { id.flatMap { id in tokens.first { $0["id"]?.int == id }?["content"] } }
    var names: JSON.Object = [:]
    names["bos_token"] = name(source.config.bosToken)
    names["eos_token"] = name(source.config.endToken)
    if let unknown = file?["model"]?["unk_token"], unknown.string != nil { names["unk_token"] = unknown }
    specialTokens = .object(names)
  }

  var json: JSON {
    var settings: JSON.Object = ["tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false]
    for (name, value) in specialTokens.object!.members { settings[name] = value }
    if let chatTemplate = source.chatTemplate { settings["chat_template"] = .string(chatTemplate) }
    settings["model_max_length"] = .int(source.config.contextLength)
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    return .object(settings)
  }
}
