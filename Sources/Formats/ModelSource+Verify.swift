import Dispatch
import JSON
import Synchronization
import TensorCore

/// Parameters and bytes of a model's tensors, by kind.
public struct ModelSizes: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable { case embedding, attention, mlp, norms, head }
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
    } else if name == TensorName.embedding {
      self = .embedding
    } else if name == TensorName.head {
      self = .head
    } else {
      self = name.utf8.split(separator: UInt8(ascii: ".")).contains { $0.elementsEqual("self_attn".utf8) } ? .attention : .mlp
    }
  }
}

extension StoredTensor {
  /// Whether no value is NaN or infinite; reads the whole tensor.
  public var isFinite: Bool { RowCodec.isFinite(bytes, dtype) }

  /// CRC-32C of the bytes as they are, not as the file says.
  public func computedChecksum() -> UInt32 { CRC32C.sum(bytes) }
}

extension ModelSource {
  public var sizes: ModelSizes {
    var sizes = ModelSizes()
    for tensor in tensors.values { sizes.add(tensor.name, tensor.shape, tensor.dtype) }
    return sizes
  }

  /// SHA-256, in hexadecimal, of the config and of every tensor's name, type, shape and CRC-32C: the same weights give the same fingerprint
  /// in whatever file they lie. A .hoof file's own checksums are taken as they are; other weights are read in full.
  public func fingerprint() -> String {
    let tensors = sortedTensors
    let sums = ModelSource.map(tensors) { $0.checksum ?? $0.computedChecksum() }
    var hash = SHA256()
    hash.update("hoof-fingerprint-1\n" + config.json.text() + "\n")
    for (tensor, sum) in zip(tensors, sums) {
      hash.update("\(tensor.name) \(tensor.dtype.name) \(tensor.shape) \(hexadecimal(sum))\n")
    }
    return hash.hexDigest()
  }

  /// Compares every tensor with the checksum its file states; does nothing for formats without checksums.
  public func verify() throws(FormatError) {
    let tensors = sortedTensors.filter { $0.checksum != nil }
    let sums = ModelSource.map(tensors) { $0.computedChecksum() }
    for (tensor, sum) in zip(tensors, sums) where sum != tensor.checksum {
      throw FormatError(path, tensor.name, "the checksum is wrong; the file is damaged")
    }
  }

  /// Throws for the first tensor (by name) that holds NaN or infinity.
  public func checkFinite() throws(FormatError) {
    let tensors = sortedTensors
    let finite = ModelSource.map(tensors) { $0.isFinite }
    for (tensor, isFinite) in zip(tensors, finite) where !isFinite {
      throw FormatError(tensor.file.path, tensor.name, "holds NaN or infinite values")
    }
  }

  private var sortedTensors: [StoredTensor] { tensors.values.sorted { $0.name < $1.name } }

  /// Reads all tensors at once on all processors; the biggest part of the time is the disk's.
  private static func map<Value: Sendable>(_ tensors: [StoredTensor], _ body: @Sendable (StoredTensor) -> Value) -> [Value] {
    let results = Mutex<[Int: Value]>([:])
    DispatchQueue.concurrentPerform(iterations: tensors.count) { index in
      let value = body(tensors[index])
      results.withLock { $0[index] = value }
    }
    return results.withLock { values in tensors.indices.map { values[$0]! } }
  }
}
