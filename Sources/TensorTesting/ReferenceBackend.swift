import Glibc
import TensorCore

/// The definition of every op: naive, unfused, accumulated in Double, so that other backends have something obviously correct to be
/// compared with. Each op's formula is a static function of `Definition` on `Matrix`, which finite differences can call directly.
public final class ReferenceBackend: ComputeBackend {
  /// With bf16 the ops also take bf16 tensors: the same formulas on their values, in Double, and one rounding when a result is stored.
  public init(activations: DType = .f32) { self.activations = activations }

  public let activations: DType
  public var name: String { activations == .f32 ? "reference" : "reference (\(activations.name) activations)" }

  public func memory() -> (total: Int, free: Int) {
    let page = sysconf(Int32(_SC_PAGESIZE))
    return (sysconf(Int32(_SC_PHYS_PAGES)) * page, sysconf(Int32(_SC_AVPHYS_PAGES)) * page)
  }

  public func stores(_ dtype: DType) -> Bool { true }

  /// New memory is filled with 0xff, which is NaN in every float type: reading what was never written shows.
  public func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    guard let memory = malloc(max(byteCount, 1)) else { throw .outOfMemory(requested: byteCount, free: memory().free) }
    memset(memory, 0xff, byteCount)
    return DeviceAddress(bits: UInt(bitPattern: memory))
  }

  public func deallocate(_ address: DeviceAddress, byteCount: Int) { free(UnsafeMutableRawPointer(bitPattern: address.bits)) }

  public func adopt(_ bytes: UnsafeRawBufferPointer) -> DeviceAddress? {
    bytes.baseAddress.map { DeviceAddress(bits: UInt(bitPattern: $0)) }
  }

  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) throws(BackendError) {
    precondition(bytes.count == out.byteCount, "upload: \(bytes.count) bytes into \(out.shape) \(out.dtype.name)")
    if let source = bytes.baseAddress, bytes.count > 0 { memcpy(out.pointer, source, bytes.count) }
  }

  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    precondition(bytes.count == x.byteCount, "download: \(x.shape) \(x.dtype.name) into \(bytes.count) bytes")
    if let target = bytes.baseAddress, bytes.count > 0 { memcpy(target, x.pointer, bytes.count) }
  }

  public func synchronize() throws(BackendError) {}
}

/// Namespace of the formulas.
public enum Definition {}

extension Tensor {
  /// Valid only for memory of the reference backend, which is host memory.
  fileprivate var pointer: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: address.bits)! }
}

/// Tensors to numbers and back.
extension ReferenceBackend {
  /// The values of a tensor of any type, exactly.
  func load(_ x: Tensor) -> Matrix {
    var out = Matrix(x.rows, x.columns)
    guard x.shape.count > 0 else { return out }
    let source = x.pointer
    out.values.withUnsafeMutableBufferPointer { out in
      switch x.dtype {
      case .f32: for i in 0..<out.count { out[i] = Double(source.loadUnaligned(fromByteOffset: 4 * i, as: Float.self)) }
      case .i32: for i in 0..<out.count { out[i] = Double(source.loadUnaligned(fromByteOffset: 4 * i, as: Int32.self)) }
      case .f16: for i in 0..<out.count { out[i] = ElementFormat.half(source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) }
      case .bf16: for i in 0..<out.count { out[i] = ElementFormat.brain(source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) }
      case .q8_0: decodeBlocks(x, into: out, ElementFormat.decodeQ8)
      case .q4_K: decodeBlocks(x, into: out, ElementFormat.decodeQ4)
      }
    }
    return out
  }

  func loadIntegers(_ x: Tensor) -> [Int] { load(x).values.map { Int($0) } }

  /// Rounds to the tensor's type, to nearest even.
  func store(_ matrix: Matrix, into out: Tensor) {
    precondition(matrix.rows == out.rows && matrix.columns == out.columns, "store: [\(matrix.rows), \(matrix.columns)] into \(out.shape)")
    guard out.shape.count > 0 else { return }
    let target = out.pointer
    matrix.values.withUnsafeBufferPointer { values in
      switch out.dtype {
      case .f32: for i in 0..<values.count { target.storeBytes(of: Float(values[i]), toByteOffset: 4 * i, as: Float.self) }
      case .i32: for i in 0..<values.count { target.storeBytes(of: Int32(values[i]), toByteOffset: 4 * i, as: Int32.self) }
      case .f16:
        for i in 0..<values.count { target.storeBytes(of: ElementFormat.halfBits(values[i]), toByteOffset: 2 * i, as: UInt16.self) }
      case .bf16:
        for i in 0..<values.count { target.storeBytes(of: ElementFormat.brainBits(values[i]), toByteOffset: 2 * i, as: UInt16.self) }
      case .q8_0, .q4_K: preconditionFailure("store: \(out.dtype.name) is not an output type")
      }
    }
  }

  func storeIntegers(_ values: [Int], into out: Tensor) { store(Matrix(values.count, 1, values.map { Double($0) }), into: out) }

  func bytes(_ x: Tensor) -> [UInt8] { [UInt8](UnsafeRawBufferPointer(start: x.pointer, count: x.byteCount)) }

  func store(bytes: [UInt8], into out: Tensor) {
    precondition(bytes.count == out.byteCount, "store: \(bytes.count) bytes into \(out.shape) \(out.dtype.name)")
    bytes.withUnsafeBytes { if let source = $0.baseAddress, $0.count > 0 { memcpy(out.pointer, source, $0.count) } }
  }

  /// Values of a 2-byte type.
  func store(bits: [UInt16], into out: Tensor) { store(bytes: bits.withUnsafeBytes { [UInt8]($0) }, into: out) }

  func copyBytes(_ x: Tensor, into out: Tensor) {
    if x.byteCount > 0 { memmove(out.pointer, x.pointer, x.byteCount) }
  }

  /// Rows end inside a block when the columns are not a multiple of its size; what lies behind the end is padding.
  private func decodeBlocks(
    _ x: Tensor, into out: UnsafeMutableBufferPointer<Double>, _ decode: (UnsafeRawPointer, UnsafeMutablePointer<Double>) -> Void
  ) {
    let (elements, bytes) = x.dtype.block
    withUnsafeTemporaryAllocation(of: Double.self, capacity: elements) { block in
      for row in 0..<x.rows {
        for start in stride(from: 0, to: x.columns, by: elements) {
          decode(x.pointer + row * x.rowBytes + start / elements * bytes, block.baseAddress!)
          for i in 0..<min(elements, x.columns - start) { out[row * x.columns + start + i] = block[i] }
        }
      }
    }
  }
}
