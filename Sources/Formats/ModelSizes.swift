import TensorCore

/// Parameters and bytes of a model's tensors, by kind.
public struct ModelSizes: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable { case embedding, attention, mlp, norms, patches, head }
  public struct Size: Sendable, Equatable {
    public var parameters = 0
    public var bytes = 0
  }
  public private(set) var kinds: [Kind: Size] = [:]
  public private(set) var dtypes: [DType: Size] = [:]

  public var parameters: Int { kinds.values.reduce(0) { $0 + $1.parameters } }
  public var bytes: Int { kinds.values.reduce(0) { $0 + $1.bytes } }

  mutating func add(_ name: String, _ shape: Shape, _ dtype: DType) {
    let byteCount = dtype.rowBytes(columns: shape.columns) * shape.rows
    kinds[Kind(of: name), default: Size()].parameters += shape.count
    kinds[Kind(of: name), default: Size()].bytes += byteCount
    dtypes[dtype, default: Size()].parameters += shape.count
    dtypes[dtype, default: Size()].bytes += byteCount
  }
}

extension ModelSizes.Kind {
  /// The kind of one of a Llama model's tensors.
  init(of name: String) {
    if TensorName.isNorm(name) {
      self = .norms
    } else if TensorName.isResidualMap(name) {
      self = .patches
    } else if name == TensorName.embedding {
      self = .embedding
    } else if name == TensorName.head {
      self = .head
    } else {
      self = name.utf8.split(separator: UInt8(ascii: ".")).contains { $0.elementsEqual("self_attn".utf8) } ? .attention : .mlp
    }
  }
}

extension ModelSource {
  public var sizes: ModelSizes {
    var sizes = ModelSizes()
    for tensor in tensors.values { sizes.add(tensor.name, tensor.shape, tensor.dtype) }
    return sizes
  }
}
