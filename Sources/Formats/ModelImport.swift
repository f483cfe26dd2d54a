import JSON
import TensorCore

/// The plan of a new .hoof file: which tensors of a source go in, under which name, as which type. Making it reads no weights.
public struct ModelImport: Sendable {
  /// Which layers stay, and what the file's history says about it.
  public struct Cut: Sendable {
    /// Indices in the source, in any order; the rest goes.
    public var keepLayers: [Int]
    public var method: String
    /// More for the history: fingerprints of the report and of the calibration texts.
    public var details: JSON.Object

    public init(keepLayers: [Int], method: String, details: JSON.Object = [:]) {
      self.keepLayers = keepLayers
      self.method = method
      self.details = details
    }
  }

  public struct Item: Sendable {
    public let name: String
    public let source: StoredTensor
    public let dtype: DType
    public var shape: Shape { source.shape }
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
  /// - Throws: when `cut` names a layer that is not there, names one twice, or leaves none.
  public init(_ source: ModelSource, matrixType: DType? = nil, cut: Cut? = nil) throws(FormatError) {
    precondition(matrixType != .i32, "import: weights cannot be i32")
    let kept = try cut.map { cut throws(FormatError) in try ModelImport.checkedLayers(cut.keepLayers, of: source) }
    let layers = kept ?? Array(source.config.layers.indices)
    var config = source.config
    config.layers = layers.map { source.config.layers[$0] }
    self.source = source
    self.config = config
    originalLayers = layers.map { source.originalLayers[$0] }
    history = source.history + (cut.map { [ModelImport.entry($0, layers: layers, of: source)] } ?? [])

    var sourceNames: [String: String] = [:]
    for (index, layer) in layers.enumerated() {
      for part in TensorName.Part.allCases { sourceNames[TensorName.layer(index, part)] = TensorName.layer(layer, part) }
    }
    var items: [Item] = []
    var fallbacks = 0
    for (name, _) in config.tensorShapes {
      // ModelSource holds every tensor of its config.
      let tensor = source.tensors[sourceNames[name] ?? name]!
      let dtype = ModelImport.dtype(of: tensor, isNorm: TensorName.isNorm(name), wanted: matrixType)
      if dtype == .q8_0, matrixType == .q4_K { fallbacks += 1 }
      items.append(Item(name: name, source: tensor, dtype: dtype))
    }
    self.items = items
    notes =
      fallbacks == 0
      ? [] : ["\(fallbacks) matrices are stored as q8_0: their rows are so far from a multiple of 256 that q4_K would be larger"]
  }

  private static func checkedLayers(_ layers: [Int], of source: ModelSource) throws(FormatError) -> [Int] {
    let count = source.config.layers.count
    guard !layers.isEmpty else { throw FormatError(source.path, "layers", "a cut must leave at least one of \(count)") }
    for layer in layers where !(0..<count).contains(layer) {
      throw FormatError(source.path, "layers", "layer \(layer) does not exist; layers are 0 to \(count - 1)")
    }
    guard Set(layers).count == layers.count else { throw FormatError(source.path, "layers", "a layer is named twice") }
    return layers.sorted()
  }

  private static func entry(_ cut: Cut, layers: [Int], of source: ModelSource) -> JSON {
    var entry: JSON.Object = ["method": .string(cut.method)]
    for (name, value) in cut.details.members { entry[name] = value }
    entry["layers_before"] = .int(source.config.layers.count)
    entry["kept_layers"] = .array(layers.map { .int($0) })
    entry["original_layers"] = .array(layers.map { .int(source.originalLayers[$0]) })
    return .object(entry)
  }

  private static func dtype(of tensor: StoredTensor, isNorm: Bool, wanted: DType?) -> DType {
    if isNorm { return .f32 }
    guard let wanted else { return tensor.dtype }
    let columns = tensor.shape.columns
    return wanted == .q4_K && DType.q4_K.rowBytes(columns: columns) > DType.q8_0.rowBytes(columns: columns) ? .q8_0 : wanted
  }

  public var before: ModelSizes { source.sizes }
  public var after: ModelSizes {
    var sizes = ModelSizes()
    for item in items { sizes.add(item.name, item.shape, item.dtype) }
    return sizes
  }
}
