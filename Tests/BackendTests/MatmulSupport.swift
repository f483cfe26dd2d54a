import BackendCPU
import CKernels
import TensorCore
import TensorTesting
import Testing

/// Instruction sets this machine can be made to use, weakest first.
enum Levels {
  static var available: [hoof_simd] {
    [hoof_simd_scalar, hoof_simd_avx2, hoof_simd_avx512, hoof_simd_avx512_vnni].filter { $0.rawValue <= hoof_simd_level().rawValue }
  }
}

extension RandomGenerator {
  /// Within [0, 1), exact in a Float.
  mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Roughly normal, by three additions: the same bits on every machine, which a logarithm would not promise.
  mutating func normal(_ count: Int) -> [Float] {
    (0..<count).map { _ in
      var sum: Float = -1.5
      for _ in 0..<3 { sum += uniform() }
      return 2 * sum
    }
  }

  /// A valid row-major matrix of any type, block scales and all; made from bits, not by a quantiser.
  mutating func stored(_ dtype: DType, rows: Int, columns: Int) -> [UInt8] {
    let count = dtype.rowBytes(columns: columns) * rows
    var bytes = [UInt8](repeating: 0, count: count)
    switch dtype {
    case .f32, .f16, .bf16, .i32:
      for i in 0..<rows * columns {
        let x = uniform() * 2 - 1
        switch dtype {
        case .f16: put(Float16(x).bitPattern, at: i * 2)
        case .bf16: put(UInt16(x.bitPattern >> 16), at: i * 2)
        default: put(x.bitPattern, at: i * 4)
        }
      }
    case .q8_0, .q4_K:
      for i in 0..<count { bytes[i] = UInt8(truncatingIfNeeded: next()) }
      for start in stride(from: 0, to: count, by: dtype.block.bytes) {
        put(Float16(uniform() * 0.01).bitPattern, at: start)
        if dtype == .q4_K { put(Float16(uniform() * 0.01).bitPattern, at: start + 2) }
      }
    }
    return bytes

    func put<Value: FixedWidthInteger>(_ value: Value, at index: Int) {
      withUnsafeBytes(of: value.littleEndian) { for (i, byte) in $0.enumerated() { bytes[index + i] = byte } }
    }
  }
}

extension Tensor {
  init(_ bytes: [UInt8], _ dtype: DType, rows: Int, columns: Int, on backend: any ComputeBackend) throws(BackendError) {
    try self.init(rows, columns, dtype, on: backend)
    try upload(bytes)
  }
}

/// A result with a fence of sentinels before and behind it, in one storage.
struct FencedResult {
  private static let fence = 64
  private static let sentinel: Float = -12345.5
  private let whole: Tensor
  let tensor: Tensor

  init(rows: Int, columns: Int, on backend: any ComputeBackend) throws(BackendError) {
    let count = rows * columns + 2 * FencedResult.fence
    whole = try Tensor([Float](repeating: FencedResult.sentinel, count: count), rows: 1, columns: count, on: backend)
    tensor = Tensor(storage: whole.storage, byteOffset: FencedResult.fence * 4, dtype: .f32, shape: Shape(rows, columns))
  }

  /// The result, after a look at the fence.
  func checked() throws(BackendError) -> [Float] {
    let values = try whole.floats()
    let last = values.count - FencedResult.fence
    #expect(values[..<FencedResult.fence].allSatisfy { $0 == FencedResult.sentinel }, "written before the result")
    #expect(values[last...].allSatisfy { $0 == FencedResult.sentinel }, "written behind the result")
    return [Float](values[FencedResult.fence..<last])
  }
}
