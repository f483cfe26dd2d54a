/// A cut, checked against its source and turned into rows and columns of matrices.
struct Selection {
  /// The source's layers that stay, ascending.
  let layers: [Int]
  /// The new sizes of layers that lose heads or neurons.
  private(set) var sizes: [Int: LlamaConfig.Layer] = [:]
  private var queryRows: [Int: [Int]] = [:]
  private var keyRows: [Int: [Int]] = [:]
  private var neurons: [Int: [Int]] = [:]

  /// - Parameter cut: nil keeps everything.
  init(_ cut: ModelImport.Cut?, of source: ModelSource) throws(FormatError) {
    let config = source.config
    guard let cut else {
      layers = Array(config.layers.indices)
      return
    }
    layers = try Selection.checked(cut.keepLayers, below: config.layers.count, what: "layer", path: source.path)
    guard !layers.isEmpty else { throw FormatError(source.path, "layers", "a cut must leave at least one of \(config.layers.count)") }
    for layer in Set(cut.keepHeads.keys).union(cut.keepNeurons.keys).sorted() {
      guard layers.contains(layer) else { throw FormatError(source.path, "layer \(layer)", "is not among the layers that stay") }
      var size = config.layers[layer]
      if let heads = cut.keepHeads[layer] {
        let kept = try Selection.checked(heads, below: size.queryHeads, what: "head", path: source.path, layer: layer)
        let groups = try Selection.groups(of: kept, in: size, layer: layer, path: source.path)
        queryRows[layer] = Selection.rows(ofHeads: kept, headDim: config.headDim)
        keyRows[layer] = Selection.rows(ofHeads: groups, headDim: config.headDim)
        (size.queryHeads, size.keyHeads) = (kept.count, groups.count)
      }
      if let indices = cut.keepNeurons[layer] {
        let kept = try Selection.checked(indices, below: size.intermediateSize, what: "neuron", path: source.path, layer: layer)
        neurons[layer] = kept
        size.intermediateSize = kept.count
      }
      sizes[layer] = size
    }
  }

  /// Rows and columns of a layer's tensor that stay; nil for all.
  func kept(of part: TensorName.Part, in layer: Int) -> (rows: [Int]?, columns: [Int]?) {
    switch part {
    case .attentionNorm, .mlpNorm: (nil, nil)
    case .query: (queryRows[layer], nil)
    case .key, .value: (keyRows[layer], nil)
    case .attentionOutput: (nil, queryRows[layer])
    case .gate, .up: (neurons[layer], nil)
    case .down: (nil, neurons[layer])
    }
  }

  private static func checked(_ indices: [Int], below count: Int, what: String, path: String, layer: Int? = nil) throws(FormatError)
    -> [Int]
  {
    let field = layer.map { "layer \($0)" } ?? "layers"
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
