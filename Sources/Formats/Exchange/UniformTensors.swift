import TensorCore

/// Where each tensor of a plan goes in a model whose layers are all alike.
struct UniformTensors {
  private typealias Piece = PaddedTensor.Piece
  private let plan: ModelImport
  private let items: [String: ModelImport.Item]
  private let kept: [Int]
  private let sizes: UniformSizes
  private let rules: UniformModel.Rules
  /// With the maps before all sublayers in its rows; nil when there are none.
  private let embedding: ModelImport.Item?

  init(
    _ plan: ModelImport, kept: [Int], _ sizes: UniformSizes, _ rules: UniformModel.Rules, embedding: ModelImport.Item?
  ) {
    self.plan = plan
    items = Dictionary(uniqueKeysWithValues: plan.items.map { ($0.name, $0) })
    self.kept = kept
    self.sizes = sizes
    self.rules = rules
    self.embedding = embedding
  }

  func tensors(_ notes: inout [String]) -> [PaddedTensor] {
    let (width, vocabulary) = (sizes.config.hiddenSize, plan.config.vocabularySize)
    let table = [Piece(source: 0, target: 0, count: vocabulary)]
    var converted: [DType: Int] = [:]
    var tensors: [PaddedTensor] = []
    func add(_ name: String, _ item: ModelImport.Item?, _ shape: Shape, rows: [Piece], columns: [Piece], isInterleaved: Bool = false) {
      let dtype = dtype(of: item, name, columns: columns, target: shape.columns)
      if let item, dtype != item.dtype, rules.dtype == nil { converted[item.dtype, default: 0] += 1 }
      var tensor = PaddedTensor(name: name, dtype: dtype, shape: shape, item: item, rows: rows, columns: columns)
      if isInterleaved, rules.interleavesHeads { tensor.interleavedHead = plan.config.headDim }
      if TensorName.isNorm(name) {
        if item == nil { tensor.fill = 1 }
        if width != plan.config.hiddenSize { tensor.scale = (Float(plan.config.hiddenSize) / Float(width)).squareRoot() }
      }
      tensors.append(tensor)
    }
    add(TensorName.embedding, embedding ?? items[TensorName.embedding], Shape(vocabulary, width), rows: table, columns: stream)
    for (index, layer) in kept.enumerated() {
      for part in TensorName.Part.allCases {
        guard let (shape, rows, columns) = place(part, plan.config.layers[layer]) else { continue }
        add(
          TensorName.layer(index, part), items[TensorName.layer(layer, part)], shape, rows: rows, columns: columns,
          isInterleaved: part == .query || part == .key)
      }
    }
    let one = [Piece(source: 0, target: 0, count: 1)]
    add(TensorName.finalNorm, items[TensorName.finalNorm], Shape(1, width), rows: one, columns: stream)
    if let head = items[TensorName.head] {
      add(TensorName.head, head, Shape(vocabulary, width), rows: table, columns: stream)
    } else if embedding != nil {
      add(TensorName.head, items[TensorName.embedding], Shape(vocabulary, width), rows: table, columns: stream)
    }
    for (type, count) in converted.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      notes.append(
        "\(count) \(count == 1 ? "matrix is" : "matrices are") written as f16 instead of \(type.name), because their rows are no whole blocks of \(type.block.elements)"
      )
    }
    return tensors
  }

  private var stream: [Piece] { [Piece(source: 0, target: 0, count: plan.config.hiddenSize)] }

  /// Shape, rows and columns of one of a layer's tensors; nil for maps of the stream.
  private func place(_ part: TensorName.Part, _ layer: LlamaConfig.Layer) -> (shape: Shape, rows: [Piece], columns: [Piece])? {
    let (width, head) = (sizes.config.hiddenSize, plan.config.headDim)
    let queries = sizes.groups * sizes.share * head
    let all = [Piece(source: 0, target: 0, count: plan.config.hiddenSize)]
    let neurons = [Piece(source: 0, target: 0, count: layer.intermediateSize)]
    switch part {
    case .patch, .attentionShortcut, .mlpShortcut: return nil
    case .attentionNorm, .mlpNorm: return (Shape(1, width), [Piece(source: 0, target: 0, count: 1)], all)
    case .query: return (Shape(queries, width), heads(of: layer), all)
    case .key, .value:
      return (Shape(sizes.groups * head, width), [Piece(source: 0, target: 0, count: layer.keyHeads * head)], all)
    case .attentionOutput: return (Shape(width, queries), all, heads(of: layer))
    case .gate, .up: return (Shape(sizes.neurons, width), neurons, all)
    case .down: return (Shape(width, sizes.neurons), all, neurons)
    }
  }

  /// Each key head's query heads at the start of that group's places. Groups as wide as the widest stay together.
  private func heads(of layer: LlamaConfig.Layer) -> [Piece] {
    guard layer.queryHeads > 0 else { return [] }
    let (share, head) = (layer.queryHeads / layer.keyHeads, plan.config.headDim)
    if share == sizes.share { return [Piece(source: 0, target: 0, count: layer.queryHeads * head)] }
    return (0..<layer.keyHeads).map {
      Piece(source: $0 * share * head, target: $0 * sizes.share * head, count: share * head)
    }
  }

  private func dtype(of item: ModelImport.Item?, _ name: String, columns: [Piece], target: Int) -> DType {
    if let dtype = rules.dtype { return dtype }
    if TensorName.isNorm(name) { return .f32 }
    guard let item else { return filler(name, target) }
    guard item.dtype.block.elements > 1 else { return item.dtype }
    // A block of 32 within one of q4_K that holds values and zeros may give the zeros back as something else, and what an embedding has
    // there goes into the stream.
    if name == TensorName.embedding, target != item.shape.columns, item.shape.columns % 32 != 0 { return .f16 }
    let keeps = PaddedTensor.keepsBlocks(columns, of: item.dtype, sourceColumns: item.shape.columns, targetColumns: target)
    return keeps ? item.dtype : .f16
  }

  /// A tensor of zeros is stored as its neighbours are, if its rows allow.
  private func filler(_ name: String, _ columns: Int) -> DType {
    let suffix = String(name.split(separator: ".").dropFirst(3).joined(separator: "."))
    let type = plan.items.first { $0.name.hasSuffix(suffix) }?.dtype ?? items[TensorName.embedding]?.dtype ?? .f32
    return columns % type.block.elements == 0 ? type : .f16
  }
}
