/// Rows and columns of a matrix. Vectors are one row; a column of per-row results is `[N, 1]`.
public struct Shape: Sendable, Hashable, CustomStringConvertible {
  public var rows: Int
  public var columns: Int

  public init(_ rows: Int, _ columns: Int) {
    self.rows = rows
    self.columns = columns
  }

  public var count: Int { rows * columns }
  public var description: String { "[\(rows), \(columns)]" }
}

/// A CPU pointer or a CUdeviceptr; only the backend that issued it may look inside.
public struct DeviceAddress: Sendable, Hashable {
  public var bits: UInt
  public init(bits: UInt) { self.bits = bits }
}

/// Owns device memory. Plain `Sendable`: every field is immutable; contents are ordered by the backend's one queue,
/// so a model is driven by one task at a time.
public final class Storage: Sendable {
  public let backend: any ComputeBackend
  public let address: DeviceAddress
  public let byteCount: Int
  /// What keeps borrowed memory alive (a mapped file); nil when the backend allocated it.
  private let lender: (any AnyObject & Sendable)?

  public init(byteCount: Int, on backend: any ComputeBackend) throws(BackendError) {
    address = try backend.allocate(byteCount: byteCount)
    self.byteCount = byteCount
    self.backend = backend
    lender = nil
  }

  /// Host memory a backend can read in place (see `ComputeBackend.adopt`); `lender` stays alive as long as this does.
  public init(borrowing address: DeviceAddress, byteCount: Int, from lender: any AnyObject & Sendable, on backend: any ComputeBackend) {
    self.address = address
    self.byteCount = byteCount
    self.backend = backend
    self.lender = lender
  }

  /// Whether the memory is somebody else's (a mapped file's), and must not be written to.
  public var isBorrowed: Bool { lender != nil }

  deinit {
    if lender == nil { backend.deallocate(address, byteCount: byteCount) }
  }
}

/// A contiguous row-major matrix somewhere in a `Storage`.
public struct Tensor: Sendable {
  public let storage: Storage
  public let byteOffset: Int
  public let dtype: DType
  public let shape: Shape

  public init(storage: Storage, byteOffset: Int = 0, dtype: DType, shape: Shape) {
    precondition(
      byteOffset >= 0 && shape.rows >= 0 && shape.columns >= 0
        && byteOffset + dtype.rowBytes(columns: shape.columns) * shape.rows <= storage.byteCount,
      "tensor: \(shape) \(dtype.name) at byte \(byteOffset) does not fit in \(storage.byteCount) bytes")
    self.storage = storage
    self.byteOffset = byteOffset
    self.dtype = dtype
    self.shape = shape
  }

  /// New memory with undefined contents.
  public init(_ rows: Int, _ columns: Int, _ dtype: DType = .f32, on backend: any ComputeBackend) throws(BackendError) {
    let byteCount = dtype.rowBytes(columns: columns) * rows
    self.init(storage: try Storage(byteCount: byteCount, on: backend), dtype: dtype, shape: Shape(rows, columns))
  }

  public var backend: any ComputeBackend { storage.backend }
  public var rows: Int { shape.rows }
  public var columns: Int { shape.columns }
  public var rowBytes: Int { dtype.rowBytes(columns: shape.columns) }
  public var byteCount: Int { rowBytes * shape.rows }
  /// First byte, as the backend understands it.
  public var address: DeviceAddress { DeviceAddress(bits: storage.address.bits + UInt(byteOffset)) }

  /// Rows `range` of this tensor, sharing its memory.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows: \(range) of \(shape)")
    return Tensor(storage: storage, byteOffset: byteOffset + range.lowerBound * rowBytes, dtype: dtype, shape: Shape(range.count, columns))
  }

  /// The same elements in another shape, sharing memory. Dense types only.
  public func reshaped(_ rows: Int, _ columns: Int) -> Tensor {
    precondition(dtype.isDense && rows * columns == shape.count, "reshaped: \(shape) \(dtype.name) to [\(rows), \(columns)]")
    return Tensor(storage: storage, byteOffset: byteOffset, dtype: dtype, shape: Shape(rows, columns))
  }
}

extension Shape {
  public static func == (a: Shape, b: (Int, Int)) -> Bool { a.rows == b.0 && a.columns == b.1 }
}
