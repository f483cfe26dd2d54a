import JSON
import TensorCore

/// Rows of a tensor that no file holds: they are computed while they are written. Called with neighbouring ranges, never by two threads at
/// once.
public typealias RowMaker = @Sendable (_ rows: Range<Int>) throws -> [Float]

/// The plan of a new .hoof file: which tensors of a source go in, under which name, as which type. Making it reads no weights.
public struct ModelImport: Sendable {
  public struct Item: Sendable {
    public enum Content: Sendable {
      /// The source's rows and columns that go in, ascending; nil for all.
      case stored(StoredTensor, rows: [Int]?, columns: [Int]?)
      case made(RowMaker)
    }

    public let name: String
    public let dtype: DType
    public let shape: Shape
    public let content: Content

    /// The tensor that goes in as it is, every byte of it; nil when it is cut, converted or made.
    public var copied: StoredTensor? {
      guard case .stored(let tensor, nil, nil) = content, tensor.dtype == dtype else { return nil }
      return tensor
    }

    /// What it comes from; nil when it is made.
    public var source: StoredTensor? {
      guard case .stored(let tensor, _, _) = content else { return nil }
      return tensor
    }

    /// Bytes that have to be read or made for it, as far as progress counts them: the rows that go in.
    public var inputBytes: Int { shape.rows * (source?.rowBytes ?? 4 * shape.columns) }
  }

  /// A model of another width: all of its weights are computed.
  public struct Rebuilt: Sendable {
    public var config: LlamaConfig
    /// Rows of the tensor of this name; every tensor of `config.tensorShapes` has some.
    public var rows: @Sendable (_ name: String) -> RowMaker

    public init(config: LlamaConfig, rows: @escaping @Sendable (_ name: String) -> RowMaker) {
      self.config = config
      self.rows = rows
    }
  }

  public let source: ModelSource
  public let config: LlamaConfig
  public let originalLayers: [Int]
  public let history: [JSON]
  public let items: [Item]
  /// What the user should know about the plan, a sentence each.
  public let notes: [String]
  /// Whether anything but the types of the weights changes.
  public let isCut: Bool

  /// - Parameters:
  ///   - matrixType: what matrices are stored as; nil keeps each as it is. Norms are always f32; made patches and shortcuts are f32, or f16 where
  ///     another type than f32 is wanted.
  ///   - cut: nil keeps everything.
  ///   - rebuilt: the model that the cut leaves, in another width; its layers are those that the cut keeps.
  ///   - merging: an adapter of the source, whose products are added to the source's weights; a cut comes after it. A quantised weight is
  ///     widened, added to and quantised again.
  ///   - told: what the file's history says about the adapter, by whoever trained it; nil for its fingerprint and sizes.
  /// - Throws: when `cut` names a layer, head, neuron or channel that is not there or names one twice, leaves no layer, or an uneven number
  ///   of heads; when the adapter does not fit the source.
  public init(
    _ source: ModelSource, matrixType: DType? = nil, cut: Cut? = nil, rebuilt: Rebuilt? = nil, merging adapter: AdapterFile? = nil,
    told: JSON? = nil
  ) throws(FormatError) {
    precondition(matrixType != .i32, "import: weights cannot be i32")
    precondition(rebuilt == nil || adapter == nil, "import: an adapter into a rebuilt model")
    var merge = try adapter.map { (adapter) throws(FormatError) in try AdapterMerge(adapter, into: source) }
    var types = TypeChoice(wanted: matrixType, source: source, isRebuilt: rebuilt != nil)
    // An adapter's products belong to matrices as they are stored: maps stay beside those.
    let selection = try Selection(cut, of: source, mergesMaps: types.made == .f32 && adapter == nil)
    let config = rebuilt?.config ?? selection.config
    precondition(config.layers.count == selection.layers.count, "import: a rebuilt model of \(config.layers.count) layers")
    self.source = source
    self.config = config
    isCut = cut != nil || rebuilt != nil || merge != nil
    originalLayers = selection.layers.map { source.originalLayers[$0] }
    history =
      source.history + (merge.map { [told ?? $0.history] } ?? [])
      + (cut.map { [$0.history(config, layers: selection.layers, of: source)] } ?? [])

    var items: [Item] = []
    for (name, shape) in config.tensorShapes {
      let content = rebuilt.map { .made($0.rows(name)) } ?? selection.content(of: name)
      let type = types.dtype(of: name, shape, content)
      items.append(Item(name: name, dtype: type, shape: shape, content: merge?.content(content, as: type) ?? content))
    }
    self.items = items
    notes = types.notes + (merge?.notes ?? [])
  }

  public var before: ModelSizes { source.sizes }
  public var after: ModelSizes {
    var sizes = ModelSizes()
    for item in items { sizes.add(item.name, item.shape, item.dtype) }
    return sizes
  }
}

/// The type each tensor of a new file is stored in.
struct TypeChoice {
  let wanted: DType?
  /// What matrices without a source become.
  let made: DType
  private let isRebuilt: Bool
  /// Matrices whose rows q4_K does not suit.
  private(set) var fallbacks = 0

  /// What the user should know.
  var notes: [String] {
    guard fallbacks > 0 else { return [] }
    return ["\(fallbacks) matrices are stored as q8_0: their rows are so far from a multiple of 256 that q4_K would be larger"]
  }

  /// - Parameter isRebuilt: all weights are made, so that none is exact but in f32.
  init(wanted: DType?, source: ModelSource, isRebuilt: Bool) {
    self.wanted = wanted
    made = wanted ?? source.tensors[TensorName.layer(0, .gate)]?.dtype ?? source.tensors[TensorName.embedding]?.dtype ?? .f32
    self.isRebuilt = isRebuilt
  }

  mutating func dtype(of name: String, _ shape: Shape, _ content: ModelImport.Item.Content) -> DType {
    if TensorName.isNorm(name) || shape.rows == 1 { return .f32 }
    var own: DType?
    var isWhole = false
    if case .stored(let tensor, _, let columns) = content {
      own = tensor.dtype
      isWhole = columns == nil
    }
    let type = wanted ?? own ?? made
    // The residual stream passes through every one of them: a quantised map would round it over and over, and what nobody asked to be
    // rounded is exact.
    if TensorName.isResidualMap(name) {
      guard let wanted = wanted ?? (isRebuilt ? made : nil) else { return own ?? .f32 }
      return wanted == own || wanted == .f32 ? wanted : .f16
    }
    // What is copied as it is stays as it is.
    if type == own, isWhole { return type }
    guard type == .q4_K, DType.q4_K.rowBytes(columns: shape.columns) > DType.q8_0.rowBytes(columns: shape.columns) else { return type }
    fallbacks += 1
    return .q8_0
  }
}
