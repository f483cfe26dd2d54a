import JSON
import TensorCore

/// The plan of a new .hoof file: which tensors of a source go in, under which name, as which type. Making it reads no weights.
public struct ModelImport: Sendable {
  /// What stays, and what the file's history says about it. All indices are the source's, in any order.
  public struct Cut: Sendable {
    public var keepLayers: [Int]
    /// For a layer that stays: its query heads that stay, as many in each key head's group or none. A group without any goes with its key
    /// head; no heads at all cut the attention sublayer. Layers that are not named keep all.
    public var keepHeads: [Int: [Int]]
    /// For a layer that stays: its MLP neurons that stay; none cuts the MLP sublayer. Layers that are not named keep all.
    public var keepNeurons: [Int: [Int]]
    public var method: String
    /// More for the history: fingerprints of the report and of the calibration texts.
    public var details: JSON.Object

    public init(
      keepLayers: [Int], keepHeads: [Int: [Int]] = [:], keepNeurons: [Int: [Int]] = [:], method: String, details: JSON.Object = [:]
    ) {
      self.keepLayers = keepLayers
      self.keepHeads = keepHeads
      self.keepNeurons = keepNeurons
      self.method = method
      self.details = details
    }
  }

  public struct Item: Sendable {
    public let name: String
    public let source: StoredTensor
    public let dtype: DType
    /// The source's rows and columns that go in, ascending; nil for all.
    let rows: [Int]?
    let columns: [Int]?
    public var shape: Shape { Shape(rows?.count ?? source.shape.rows, columns?.count ?? source.shape.columns) }
  }

  public let source: ModelSource
  public let config: LlamaConfig
  public let originalLayers: [Int]
  public let history: [JSON]
  public let items: [Item]
  /// What the user should know about the plan, a sentence each.
  public let notes: [String]

  /// - Parameters:
  ///   - matrixType: what matrices are stored as; nil keeps each as it is. Norms are always f32.
  ///   - cut: nil keeps every layer.
  /// - Throws: when `cut` names a layer, head or neuron that is not there or names one twice, leaves no layer, or an uneven number of heads.
  public init(_ source: ModelSource, matrixType: DType? = nil, cut: Cut? = nil) throws(FormatError) {
    precondition(matrixType != .i32, "import: weights cannot be i32")
    let selection = try Selection(cut, of: source)
    let layers = selection.layers
    var config = source.config
    config.layers = layers.map { selection.sizes[$0] ?? source.config.layers[$0] }
    self.source = source
    self.config = config
    originalLayers = layers.map { source.originalLayers[$0] }
    history = source.history + (cut.map { [ModelImport.entry($0, layers: layers, of: source)] } ?? [])

    var items: [Item] = []
    var fallbacks = 0
    func add(_ name: String, from sourceName: String, rows: [Int]? = nil, columns: [Int]? = nil) {
      // ModelSource holds every tensor of its config.
      let tensor = source.tensors[sourceName]!
      let dtype = ModelImport.dtype(
        of: tensor, columns: columns?.count ?? tensor.shape.columns, isNorm: TensorName.isNorm(name), wanted: matrixType)
      if dtype == .q8_0, (matrixType ?? tensor.dtype) == .q4_K { fallbacks += 1 }
      items.append(Item(name: name, source: tensor, dtype: dtype, rows: rows, columns: columns))
    }
    add(TensorName.embedding, from: TensorName.embedding)
    for (index, layer) in layers.enumerated() {
      for part in TensorName.Part.allCases where config.shape(of: part, in: config.layers[index]) != nil {
        let (rows, columns) = selection.kept(of: part, in: layer)
        add(TensorName.layer(index, part), from: TensorName.layer(layer, part), rows: rows, columns: columns)
      }
    }
    add(TensorName.finalNorm, from: TensorName.finalNorm)
    if !config.tiedEmbeddings { add(TensorName.head, from: TensorName.head) }
    self.items = items
    notes =
      fallbacks == 0
      ? [] : ["\(fallbacks) matrices are stored as q8_0: their rows are so far from a multiple of 256 that q4_K would be larger"]
  }

  private static func entry(_ cut: Cut, layers: [Int], of source: ModelSource) -> JSON {
    var entry: JSON.Object = ["method": .string(cut.method)]
    for (name, value) in cut.details.members { entry[name] = value }
    entry["layers_before"] = .int(source.config.layers.count)
    entry["kept_layers"] = .array(layers.map { .int($0) })
    for (name, kept) in [("kept_heads", cut.keepHeads), ("kept_neurons", cut.keepNeurons)] where !kept.isEmpty {
      // How many of each layer, by its index before this cut; the lists are the report's.
      var counts: JSON.Object = [:]
      for (layer, indices) in kept.sorted(by: { $0.key < $1.key }) { counts[String(layer)] = .int(indices.count) }
      entry[name] = .object(counts)
    }
    entry["original_layers"] = .array(layers.map { .int(source.originalLayers[$0]) })
    return .object(entry)
  }

  private static func dtype(of tensor: StoredTensor, columns: Int, isNorm: Bool, wanted: DType?) -> DType {
    if isNorm { return .f32 }
    let wanted = wanted ?? tensor.dtype
    // What is copied as it is stays as it is.
    if wanted == tensor.dtype, columns == tensor.shape.columns { return wanted }
    return wanted == .q4_K && DType.q4_K.rowBytes(columns: columns) > DType.q8_0.rowBytes(columns: columns) ? .q8_0 : wanted
  }

  public var before: ModelSizes { source.sizes }
  public var after: ModelSizes {
    var sizes = ModelSizes()
    for item in items { sizes.add(item.name, item.shape, item.dtype) }
    return sizes
  }
}
