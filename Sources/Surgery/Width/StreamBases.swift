import Formats
import Synchronization
import TensorCore

/// The basis of the residual stream at each place, [k, C] f32 with orthonormal rows, in a scratch file: (2·layers + 1)·k·C numbers, half a
/// model of them, of which two at a time are needed.
final class StreamBases: Sendable {
  let shape: Shape
  private let file: ScratchFile
  private let backend: any ComputeBackend
  private let held = Mutex<[(place: Int, basis: Tensor)]>([])
  /// Where a place begins: pages, which any backend can read in place.
  private let stride: Int

  init(_ count: Int, _ shape: Shape, on backend: any ComputeBackend) throws(FormatError) {
    self.shape = shape
    self.backend = backend
    stride = (shape.count * 4 + 4095) & ~4095
    file = try ScratchFile(byteCount: count * stride)
  }

  func store(_ rows: [Float], at place: Int) throws(FormatError) {
    precondition(rows.count == shape.count, "bases: \(rows.count) numbers for \(shape)")
    try file.write(rows, at: place * stride)
  }

  /// Those asked for last stay on the device: a tensor is made in many pieces.
  func callAsFunction(_ place: Int) throws(BackendError) -> Tensor {
    if let known = held.withLock({ $0.first { $0.place == place } }) { return known.basis }
    let basis = try load(place)
    held.withLock { held in
      held.append((place, basis))
      if held.count > 2 { held.removeFirst() }
    }
    return basis
  }

  private func load(_ place: Int) throws(BackendError) -> Tensor {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[place * stride..<place * stride + shape.count * 4])
    if let address = backend.adopt(bytes) {
      return Tensor(
        storage: Storage(borrowing: address, byteCount: bytes.count, from: file, on: backend), dtype: .f32, shape: shape)
    }
    let basis = try Tensor(shape.rows, shape.columns, on: backend)
    try backend.upload(bytes, into: basis)
    return basis
  }
}
