import TensorCore

/// The largest sizes that are believed. Far above any real model, and small enough that no product of them overflows 64 bits.
enum Limits {
  static let hidden = 1...(1 << 20)
  static let intermediate = 1...(1 << 24)
  static let heads = 1...(1 << 16)
  static let headDim = 2...(1 << 14)
  static let vocabulary = 1...(1 << 26)
  static let context = 1...(1 << 30)
  static let layers = 1...(1 << 14)
  static let jsonBytes = 64 << 20
  static let tokenizerBytes = 512 << 20
}

extension LlamaConfig {
  /// Every tensor a model of this config consists of, in the order of the forward pass. Norms are one row. A cut sublayer has no tensors,
  /// its norm included; a tied head is not listed.
  public var tensorShapes: [(name: String, shape: Shape)] {
    var shapes: [(name: String, shape: Shape)] = [(TensorName.embedding, Shape(vocabularySize, hiddenSize))]
    for (index, layer) in layers.enumerated() {
      for part in TensorName.Part.allCases {
        guard let shape = shape(of: part, in: layer) else { continue }
        shapes.append((TensorName.layer(index, part), shape))
      }
    }
    if let shape = shape(of: finalPatch) { shapes.append((TensorName.finalPatch, shape)) }
    shapes.append((TensorName.finalNorm, Shape(1, hiddenSize)))
    if !tiedEmbeddings { shapes.append((TensorName.head, Shape(vocabularySize, hiddenSize))) }
    return shapes
  }

  /// nil when the layer's sublayer was cut.
  public func shape(of part: TensorName.Part, in layer: Layer) -> Shape? {
    let (queries, keys, intermediate) = (layer.queryHeads * headDim, layer.keyHeads * headDim, layer.intermediateSize)
    switch part {
    case .patch: return shape(of: layer.patch)
    case .attentionShortcut: return layer.attentionShortcut ? Shape(hiddenSize, hiddenSize) : nil
    case .mlpShortcut: return layer.mlpShortcut ? Shape(hiddenSize, hiddenSize) : nil
    case .attentionNorm: return queries > 0 ? Shape(1, hiddenSize) : nil
    case .query: return queries > 0 ? Shape(queries, hiddenSize) : nil
    case .key, .value: return queries > 0 ? Shape(keys, hiddenSize) : nil
    case .attentionOutput: return queries > 0 ? Shape(hiddenSize, queries) : nil
    case .mlpNorm: return intermediate > 0 ? Shape(1, hiddenSize) : nil
    case .gate, .up: return intermediate > 0 ? Shape(intermediate, hiddenSize) : nil
    case .down: return intermediate > 0 ? Shape(hiddenSize, intermediate) : nil
    }
  }

  private func shape(of map: ResidualMap?) -> Shape? {
    switch map {
    case nil: nil
    case .linear: Shape(hiddenSize, hiddenSize)
    case .diagonal: Shape(1, hiddenSize)
    }
  }

  /// All weights, a tied head counted once.
  public var parameterCount: Int { tensorShapes.reduce(0) { $0 + $1.shape.count } }
}

extension TensorName {
  /// Whether the tensor is one of the norm vectors, which stay f32 whatever the matrices become.
  public static func isNorm(_ name: String) -> Bool { name.hasSuffix("norm.weight") }

  /// Whether the tensor maps the residual stream onto itself, a patch or a shortcut.
  public static func isResidualMap(_ name: String) -> Bool { name.hasSuffix("patch.weight") || name.hasSuffix("shortcut.weight") }
}
