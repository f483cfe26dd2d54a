import JSON
import TensorCore

extension ModelImport {
  /// New values for some of a model's tensors, of the same shapes: what training leaves.
  public struct Retrained: Sendable {
    /// By tensor name.
    public var rows: [String: RowMaker]
    /// The entry for the file's history.
    public var history: JSON

    public init(rows: [String: RowMaker], history: JSON) {
      self.rows = rows
      self.history = history
    }
  }

  /// The model of `source` with some of its tensors' values replaced; what is not replaced and not converted goes in byte for byte.
  /// - Parameter matrixType: as for a cut; nil stores each tensor as the source does, the replaced ones too.
  public init(_ source: ModelSource, matrixType: DType? = nil, retrained: Retrained) {
    precondition(matrixType != .i32, "import: weights cannot be i32")
    var types = TypeChoice(wanted: matrixType, source: source, isRebuilt: false)
    self.source = source
    config = source.config
    isCut = true
    originalLayers = source.originalLayers
    history = source.history + [retrained.history]
    var items: [Item] = []
    for (name, shape) in source.config.tensorShapes {
      let rows = retrained.rows[name]
      let stored = source.tensors[name].map { Item.Content.stored($0, rows: nil, columns: nil) }
      guard let content = rows.map({ .made($0) }) ?? stored else { preconditionFailure("import: nobody has \(name)") }
      items.append(Item(name: name, dtype: types.dtype(of: name, shape, stored ?? content), shape: shape, content: content))
    }
    self.items = items
    notes = types.notes
  }
}
