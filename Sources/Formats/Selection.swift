/// A cut, checked against its source and turned into rows and columns of matrices.
struct Selection {
  private let source: ModelSource
  /// The source's layers that stay, ascending.
  let layers: [Int]
  /// Of the model that is left.
  private(set) var config: LlamaConfig
  private var queryRows: [Int: [Int]] = [:]
  private var keyRows: [Int: [Int]] = [:]
  private var neurons: [Int: [Int]] = [:]
  private let channels: [Int]?
  /// What is multiplied onto the residual stream before each layer that is left, and before the final norm.
  private var paths: [ResidualPath] = []
  /// Whether the map before the first layer is in the embedding's rows instead.
  private var isMerged = false
  /// By layer of the source: the map behind it that is in its last sublayer's two matrices instead.
  private var merged: [Int: ResidualPath] = [:]
  /// By the new name of a layer's tensor: the new index, and the source's layer.
  private var places: [String: (index: Int, layer: Int, part: TensorName.Part)] = [:]

  /// - Parameters:
  ///   - cut: nil keeps everything.
  ///   - mergesMaps: whether a cut puts maps into matrices beside them: one that stands before all layers into an embedding of its own (a tied
  ///     one is the head too, and larger than any map), one behind a sublayer that has a shortcut into that and the sublayer's output. Where
  ///     matrices are stored in f32 this changes nothing but the maps' cost.
  init(_ cut: ModelImport.Cut?, of source: ModelSource, mergesMaps: Bool) throws(FormatError) {
    let mergesMaps = mergesMaps && cut != nil
    let cut = cut ?? ModelImport.Cut(keepLayers: Array(source.config.layers.indices), method: "")
    self.source = source
    config = source.config
    layers = try Selection.checked(cut.keepLayers, below: config.layers.count, what: "layer", path: source.path)
    guard !layers.isEmpty else { throw FormatError(source.path, "layers", "a cut must leave at least one of \(config.layers.count)") }
    if let wanted = cut.keepChannels {
      let kept = try Selection.checked(wanted, below: config.hiddenSize, what: "channel", path: source.path, field: "channels")
      guard !kept.isEmpty else { throw FormatError(source.path, "channels", "a cut must leave at least one of \(config.hiddenSize)") }
      channels = kept.count < config.hiddenSize ? kept : nil
      // 1/sqrt(Σx²/C + ε) = sqrt(C/k) / sqrt(Σx²/k + ε·C/k); the norms' weights take the first factor (`norm`).
      config.normEpsilon *= Double(config.hiddenSize) / Double(kept.count)
      config.hiddenSize = kept.count
    } else {
      channels = nil
    }
    for layer in Set(cut.keepHeads.keys).union(cut.keepNeurons.keys).sorted() {
      guard layers.contains(layer) else { throw FormatError(source.path, "layer \(layer)", "is not among the layers that stay") }
      try cutInside(layer, cut)
    }
    for (place, patch) in cut.patches {
      precondition((0...source.config.layers.count).contains(place), "cut: a patch at layer \(place)")
      if case .diagonal(let factors) = patch { precondition(factors.count == source.config.hiddenSize, "cut: \(factors.count) factors") }
    }
    let sizes = config.layers
    config.layers = layers.map { sizes[$0] }
    // Maps of layers that go stay on the stream: they belong to its basis or to an earlier cut.
    var first = 0
    for (index, layer) in (layers + [source.config.layers.count]).enumerated() {
      let path = ResidualPath(from: first, to: layer, of: source, patches: cut.patches, channels: channels)
      paths.append(path)
      let isFirst = index == 0 && !source.config.tiedEmbeddings
      let isBehindShortcut = index > 0 && Selection.lastShortcut(of: config.layers[index - 1]) != nil
      var kind = path.kind
      if mergesMaps, kind != nil, isFirst || isBehindShortcut {
        if isFirst { isMerged = true } else { merged[layers[index - 1]] = path }
        kind = nil
      }
      if index < layers.count { config.layers[index].patch = kind } else { config.finalPatch = kind }
      first = layer + 1
    }
    for (index, layer) in layers.enumerated() {
      for part in TensorName.Part.allCases { places[TensorName.layer(index, part)] = (index, layer, part) }
    }
  }

  private mutating func cutInside(_ layer: Int, _ cut: ModelImport.Cut) throws(FormatError) {
    let field = "layer \(layer)"
    if let heads = cut.keepHeads[layer] {
      let size = config.layers[layer]
      let kept = try Selection.checked(heads, below: size.queryHeads, what: "head", path: source.path, field: field)
      let groups = try Selection.groups(of: kept, in: size, layer: layer, path: source.path)
      queryRows[layer] = Selection.rows(ofHeads: kept, headDim: config.headDim)
      keyRows[layer] = Selection.rows(ofHeads: groups, headDim: config.headDim)
      (config.layers[layer].queryHeads, config.layers[layer].keyHeads) = (kept.count, groups.count)
    }
    if let indices = cut.keepNeurons[layer] {
      let size = config.layers[layer].intermediateSize
      let kept = try Selection.checked(indices, below: size, what: "neuron", path: source.path, field: field)
      neurons[layer] = kept
      config.layers[layer].intermediateSize = kept.count
    }
  }

  /// What a tensor of the new model consists of.
  func content(of name: String) -> ModelImport.Item.Content {
    if let (index, layer, part) = places[name] {
      return part == .patch ? paths[index].content : content(of: part, in: layer)
    }
    switch name {
    case TensorName.finalPatch: return paths.last!.content
    case TensorName.finalNorm: return norm(name)
    case TensorName.embedding where isMerged:
      let (path, table) = (paths[0], source.tensors[name]!)
      return .made { rows in try path.applied(to: rows.map { table.floats(row: $0) }) }
    default: return .stored(source.tensors[name]!, rows: nil, columns: channels)
    }
  }

  private func content(of part: TensorName.Part, in layer: Int) -> ModelImport.Item.Content {
    let name = TensorName.layer(layer, part)
    let (rows, columns): ([Int]?, [Int]?) =
      switch part {
      case .patch, .attentionNorm, .mlpNorm: (nil, nil)
      case .query: (queryRows[layer], channels)
      case .key, .value: (keyRows[layer], channels)
      case .attentionOutput: (channels, queryRows[layer])
      case .gate, .up: (neurons[layer], channels)
      case .down: (channels, neurons[layer])
      case .attentionShortcut, .mlpShortcut: (channels, channels)
      }
    if part == .attentionNorm || part == .mlpNorm { return norm(name) }
    let tensor = source.tensors[name]!
    if let path = merged[layer], let place = config.layers.indices.first(where: { layers[$0] == layer }),
      let last = Selection.lastShortcut(of: config.layers[place]), part == last.shortcut || part == last.output
    {
      return .made { rows in try path.applied(behind: tensor, columns: columns, rows: rows) }
    }
    return .stored(tensor, rows: rows, columns: columns)
  }

  /// Of a layer whose stream leaves through a shortcut: x·Sᵀ + u·Dᵀ, so that a map P behind it makes both matrices P·S and P·D.
  private static func lastShortcut(of kept: LlamaConfig.Layer) -> (shortcut: TensorName.Part, output: TensorName.Part)? {
    if kept.mlpShortcut { return (.mlpShortcut, .down) }
    return kept.attentionShortcut && kept.intermediateSize == 0 ? (.attentionShortcut, .attentionOutput) : nil
  }

  /// A norm's weights: with fewer channels, times what keeps its scale that of the whole width.
  private func norm(_ name: String) -> ModelImport.Item.Content {
    let tensor = source.tensors[name]!
    guard let channels else { return .stored(tensor, rows: nil, columns: nil) }
    let factor = (Float(source.config.hiddenSize) / Float(channels.count)).squareRoot()
    return .made { _ in
      let weights = tensor.floats(row: 0)
      return channels.map { weights[$0] * factor }
    }
  }

  private static func checked(
    _ indices: [Int], below count: Int, what: String, path: String, field: String = "layers"
  ) throws(FormatError) -> [Int] {
    for index in indices where !(0..<count).contains(index) {
      throw FormatError(path, field, "there is no \(what) \(index); " + (count == 0 ? "there are none" : "they are 0 to \(count - 1)"))
    }
    guard Set(indices).count == indices.count else { throw FormatError(path, field, "a \(what) is named twice") }
    return indices.sorted()
  }

  /// The key heads that the kept query heads share.
  private static func groups(of heads: [Int], in size: LlamaConfig.Layer, layer: Int, path: String) throws(FormatError) -> [Int] {
    guard size.keyHeads > 0 else { return [] }
    let share = size.queryHeads / size.keyHeads
    let counts = Dictionary(grouping: heads) { $0 / share }.mapValues(\.count)
    guard Set(counts.values).count <= 1 else {
      throw FormatError(
        path, "layer \(layer)", "heads must stay in equal numbers for each key head, or the key head must go with all of its heads")
    }
    return counts.keys.sorted()
  }

  private static func rows(ofHeads heads: [Int], headDim: Int) -> [Int] { heads.flatMap { $0 * headDim..<($0 + 1) * headDim } }
}
