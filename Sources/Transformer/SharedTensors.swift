import Formats
import Glibc
import TensorCore

/// The tensors of a loaded model by the bytes they were loaded from, so that another model with some of the very same bytes need not have them
/// twice. A cut model and the one it was cut from have most of their weights in common, under other names.
public struct SharedTensors: Sendable {
  private struct Key: Hashable {
    let dtype: DType
    let shape: Shape
    let checksum: UInt32
  }

  private let candidates: [Key: [(stored: StoredTensor, loaded: Tensor)]]

  /// Reads all weights once where the source states no checksums.
  /// - Parameter model: loaded from `source`. Who shares its tensors must not change them.
  public init(_ source: ModelSource, _ model: Llama) {
    let loaded = model.tensorsByName
    var candidates: [Key: [(stored: StoredTensor, loaded: Tensor)]] = [:]
    for (name, stored) in source.tensors {
      guard let tensor = loaded[name] else { continue }
      candidates[SharedTensors.key(stored), default: []].append((stored, tensor))
    }
    self.candidates = candidates
  }

  private static func key(_ stored: StoredTensor) -> Key {
    Key(dtype: stored.dtype, shape: stored.shape, checksum: stored.checksum ?? CRC32C.sum(stored.bytes))
  }

  /// The tensor that was loaded from these bytes, in the type a model computes with; nil when there is none. Checksums find it, the bytes prove it.
  public func tensor(equalTo stored: StoredTensor) -> Tensor? {
    guard !candidates.isEmpty else { return nil }
    let equal = candidates[SharedTensors.key(stored)]?.first { candidate in
      candidate.stored.bytes.count == stored.bytes.count
        && (stored.bytes.isEmpty || memcmp(candidate.stored.bytes.baseAddress!, stored.bytes.baseAddress!, stored.bytes.count) == 0)
    }
    return equal?.loaded
  }
}
