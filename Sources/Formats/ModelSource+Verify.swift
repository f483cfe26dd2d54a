import Dispatch
import JSON
import Synchronization
import TensorCore

extension StoredTensor {
  /// Tells the kernel that the tensor's pages are not needed for now; they are read again when touched.
  public func release() { file.release(range) }
}

extension ModelSource {
  /// SHA-256, in hexadecimal, of the config and of every tensor's name, type, shape and CRC-32C: the same weights give the same fingerprint
  /// in whatever file they lie. A .hoof file's own checksums are taken as they are; other weights are read in full.
  public func fingerprint() -> String {
    let tensors = sortedTensors
    let sums = ModelSource.checksums(tensors, trusting: true)
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
    let sums = ModelSource.checksums(tensors, trusting: false)
    for (tensor, sum) in zip(tensors, sums) where sum != tensor.checksum {
      throw FormatError(path, tensor.name, "the checksum is wrong; the file is damaged")
    }
  }

  /// Throws for the first tensor (by name) that holds NaN or infinity.
  public func checkFinite() throws(FormatError) {
    let tensors = sortedTensors
    let finite = ModelSource.scan(tensors) { RowCodec.isFinite($0, $1) }
    for (tensor, pieces) in zip(tensors, finite) where !pieces.allSatisfy({ $0.value }) {
      throw FormatError(tensor.file.path, tensor.name, "holds NaN or infinite values")
    }
  }

  private var sortedTensors: [StoredTensor] { tensors.values.sorted { $0.name < $1.name } }

  /// - Parameter trusting: whether a checksum that the file states is taken for granted.
  private static func checksums(_ tensors: [StoredTensor], trusting: Bool) -> [UInt32] {
    let unknown = tensors.filter { !trusting || $0.checksum == nil }
    var computed: [String: UInt32] = [:]
    for (tensor, pieces) in zip(unknown, scan(unknown, { bytes, _ in CRC32C.sum(bytes) })) {
      computed[tensor.name] = pieces.reduce(0) { CRC32C.joined($0, $1.value, secondByteCount: $1.byteCount) }
    }
    // A tensor that was not summed states its sum.
    return tensors.map { computed[$0.name] ?? $0.checksum! }
  }

  /// About this many bytes are looked at, and resident, at a time by each processor.
  private static let pieceBytes = 4 << 20

  /// Gives all bytes of the tensors to `body` in pieces of whole rows, on all processors; the results come in order, tensor by tensor.
  private static func scan<Value: Sendable>(
    _ tensors: [StoredTensor], _ body: @Sendable (UnsafeRawBufferPointer, DType) -> Value
  ) -> [[(value: Value, byteCount: Int)]] {
    let pieces = tensors.indices.flatMap { index in
      let step = max(1, pieceBytes / max(tensors[index].rowBytes, 1)) * tensors[index].rowBytes
      return stride(from: 0, to: tensors[index].range.count, by: max(step, 1)).map {
        (tensor: index, range: $0..<min($0 + step, tensors[index].range.count))
      }
    }
    let results = Mutex<[Int: Value]>([:])
    DispatchQueue.concurrentPerform(iterations: pieces.count) { index in
      let (tensor, range) = (tensors[pieces[index].tensor], pieces[index].range)
      let value = body(UnsafeRawBufferPointer(rebasing: tensor.bytes[range]), tensor.dtype)
      tensor.file.release(tensor.range.lowerBound + range.lowerBound..<tensor.range.lowerBound + range.upperBound)
      results.withLock { $0[index] = value }
    }
    let values = results.withLock { $0 }
    var sorted = Array(repeating: [(value: Value, byteCount: Int)](), count: tensors.count)
    for (index, piece) in pieces.enumerated() { sorted[piece.tensor].append((values[index]!, piece.range.count)) }
    return sorted
  }
}
