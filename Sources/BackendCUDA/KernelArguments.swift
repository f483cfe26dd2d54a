import CKernels
import TensorCore

/// A value as a kernel receives it: device pointers (8 bytes), 4-byte integers, floats, tensor maps.
protocol KernelArgument: BitwiseCopyable {
  /// What its address among the parameters is a multiple of.
  static var parameterAlignment: Int { get }
}

extension KernelArgument {
  static var parameterAlignment: Int { MemoryLayout<Self>.alignment }
}

extension UInt64: KernelArgument {}
extension Int64: KernelArgument {}
extension Int32: KernelArgument {}
extension UInt32: KernelArgument {}
extension Float: KernelArgument {}

/// 128 opaque bytes of CUtensorMap, 64-byte aligned in the kernel's parameters.
struct TensorMap: KernelArgument {
  var words: InlineArray<16, UInt64>
  static var parameterAlignment: Int { HOOF_CU_TENSOR_MAP_ALIGNMENT }
}

/// Arguments laid out as the kernel's parameters are: each at the next multiple of its alignment.
struct PackedArguments {
  let start: UnsafeMutableRawPointer?
  private(set) var byteCount = 0

  static let capacity = 1024
  static let alignment = HOOF_CU_TENSOR_MAP_ALIGNMENT

  init(_ buffer: UnsafeMutableRawBufferPointer) { start = buffer.baseAddress }

  @inline(__always)
  mutating func append<A: KernelArgument>(_ argument: A) {
    let offset = (byteCount + A.parameterAlignment - 1) & ~(A.parameterAlignment - 1)
    precondition(offset + MemoryLayout<A>.size <= PackedArguments.capacity, "more kernel arguments than \(PackedArguments.capacity) bytes")
    start?.storeBytes(of: argument, toByteOffset: offset, as: A.self)
    byteCount = offset + MemoryLayout<A>.size
  }
}

extension Tensor {
  /// The first byte, as kernels receive it.
  var pointer: UInt64 { UInt64(address.bits) }
}

extension Tensor? {
  /// nil is a null pointer.
  var pointer: UInt64 { self.map { UInt64($0.address.bits) } ?? 0 }
}

extension CUDABackend {
  /// A tensor map of a row-major bf16 matrix [rows, columns], its rows `rowStride` elements apart, with boxes of [boxRows, boxColumns] and
  /// 128-byte swizzle (so 64 columns at most); what lies outside the matrix reads as zero. nil when the address or the row stride is no
  /// multiple of 16 bytes, or where the device has no tensor maps.
  func tensorMap(_ address: UInt64, rows: Int, columns: Int, rowStride: Int, boxRows: Int, boxColumns: Int) -> TensorMap? {
    guard address % 16 == 0, rowStride * 2 % 16 == 0, rows > 0, columns > 0, let encode = queue.driver.call.cuTensorMapEncodeTiled,
      device.isHopper
    else { return nil }
    precondition(
      (1...256).contains(boxRows) && (1...64).contains(boxColumns) && boxColumns % 8 == 0,
      "tensor map: box of [\(boxRows), \(boxColumns)]")
    return withUnsafeTemporaryAllocation(byteCount: HOOF_CU_TENSOR_MAP_BYTES, alignment: HOOF_CU_TENSOR_MAP_ALIGNMENT) { map in
      let sizes = [UInt64(columns), UInt64(rows)], strides = [UInt64(rowStride * 2)]
      let box = [UInt32(boxColumns), UInt32(boxRows)], steps: [UInt32] = [1, 1]
      let code = encode(
        map.baseAddress.map { OpaquePointer($0) }, UInt32(HOOF_CU_TENSOR_MAP_DATA_TYPE_BFLOAT16), 2,
        UnsafeMutableRawPointer(bitPattern: UInt(address)), sizes, strides, box, steps, UInt32(HOOF_CU_TENSOR_MAP_INTERLEAVE_NONE),
        UInt32(HOOF_CU_TENSOR_MAP_SWIZZLE_128B), UInt32(HOOF_CU_TENSOR_MAP_L2_PROMOTION_L2_256B),
        UInt32(HOOF_CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE))
      deferring { () throws(BackendError) in try queue.driver.check(code, "cuTensorMapEncodeTiled") }
      return code == HOOF_CUDA_SUCCESS ? map.load(as: TensorMap.self) : nil
    }
  }
}
