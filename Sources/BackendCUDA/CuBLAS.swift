import CKernels
import Glibc
import TensorCore

/// NVIDIA's matrix products, where their library is found. Only GemmEx, in our row-major terms.
final class CuBLAS: Sendable {
  enum Element: Sendable, Hashable {
    case f32, bf16
    fileprivate var code: UInt32 { UInt32(self == .f32 ? HOOF_CUDA_R_32F : HOOF_CUDA_R_16BF) }
    init?(_ dtype: DType) {
      switch dtype {
      case .f32: self = .f32
      case .bf16: self = .bf16
      case .f16, .i32, .q8_0, .q4_K: return nil
      }
    }
  }

  /// Which library was found: "12.4.5 (libcublas.so.12)".
  let version: String
  private let call: hoof_cublas_calls
  private nonisolated(unsafe) let handle: hoof_cublas_handle
  private let queue: CUDAQueue
  private let workspace: UInt64

  static let libraries = ["libcublas.so.13", "libcublas.so.12", "libcublas.so.11"]
  /// NVIDIA's advice for Hopper. Ours instead of the library's own, so that results do not depend on what else runs.
  private static let workspaceBytes = 32 << 20

  /// Opens HOOF_CUBLAS, or the newest of the system's libraries that starts: one may be too new for the driver.
  static func open(_ queue: CUDAQueue) throws(BackendError) -> CuBLAS {
    let paths = getenv("HOOF_CUBLAS").map { [String(cString: $0)] } ?? CuBLAS.libraries
    var refusal: BackendError?
    for path in paths {
      guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else { continue }
      do throws(BackendError) {
        var calls = hoof_cublas_calls()
        if let missing = fillTable(&calls, from: library, names: hoof_cublas_call_name) {
          throw .unavailable(reason: "\(path) has no \(missing): cuBLAS 11 or newer is needed")
        }
        return try CuBLAS(queue, calls, from: path)
      } catch {
        refusal = refusal ?? error
      }
    }
    throw refusal ?? .unavailable(reason: "none of \(paths.joined(separator: ", ")) can be opened")
  }

  init(_ queue: CUDAQueue, _ calls: hoof_cublas_calls, from path: String) throws(BackendError) {
    try queue.enter()
    var handle: hoof_cublas_handle?
    try CuBLAS.check(calls.cublasCreate_v2(&handle), "cublasCreate")
    guard let handle else { throw .unavailable(reason: "cublasCreate gave no handle") }
    let workspace: UInt64
    do throws(BackendError) {
      workspace = try queue.allocate(CuBLAS.workspaceBytes)
      try CuBLAS.check(calls.cublasSetStream_v2(handle, queue.stream), "cublasSetStream")
      // The stream first: setting it takes the workspace away.
      try CuBLAS.check(
        calls.cublasSetWorkspace_v2(handle, UnsafeMutableRawPointer(bitPattern: UInt(workspace)), CuBLAS.workspaceBytes),
        "cublasSetWorkspace")
      // Sums of split products stay f32 whatever the result's type.
      try CuBLAS.check(
        calls.cublasSetMathMode(handle, UInt32(HOOF_CUBLAS_DEFAULT_MATH | HOOF_CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
        "cublasSetMathMode")
    } catch {
      _ = calls.cublasDestroy_v2(handle)
      throw error
    }
    var number: Int32 = 0
    _ = calls.cublasGetVersion_v2(handle, &number)
    version = "\(CuBLAS.text(Int(number))) (\(path))"
    (call, self.handle, self.queue, self.workspace) = (calls, handle, queue, workspace)
  }

  deinit {
    guard (try? queue.synchronize()) != nil else { return }
    _ = call.cublasDestroy_v2(handle)
    try? queue.free(workspace)
  }

  /// out [m, n] = op(a)·op(b) + beta·out, all row-major; `transpose` as in the protocol's matmul.
  func gemm(
    _ transpose: Transpose, m: Int, n: Int, k: Int, a: UInt64, _ aType: Element, b: UInt64, _ bType: Element, beta: Float,
    out: UInt64, _ outType: Element, allowsTF32: Bool
  ) throws(BackendError) {
    try queue.enter()
    // Read by columns, a row-major matrix is its transpose: outᵀ [n, m] = op(b)ᵀ·op(a)ᵀ, so the operands change places.
    let (aStride, bStride) = (transpose == .left ? m : k, transpose == .right ? k : n)
    let compute = allowsTF32 && aType == .f32 ? HOOF_CUBLAS_COMPUTE_32F_FAST_TF32 : HOOF_CUBLAS_COMPUTE_32F
    var alpha: Float = 1, beta = beta
    let code = call.cublasGemmEx(
      handle, UInt32(transpose == .right ? HOOF_CUBLAS_OP_T : HOOF_CUBLAS_OP_N),
      UInt32(transpose == .left ? HOOF_CUBLAS_OP_T : HOOF_CUBLAS_OP_N), Int32(n), Int32(m), Int32(k), &alpha,
      UnsafeRawPointer(bitPattern: UInt(b)), bType.code, Int32(bStride), UnsafeRawPointer(bitPattern: UInt(a)), aType.code,
      Int32(aStride), &beta, UnsafeMutableRawPointer(bitPattern: UInt(out)), outType.code, Int32(n), UInt32(compute),
      Int32(HOOF_CUBLAS_GEMM_DEFAULT))
    try CuBLAS.check(code, "cublasGemmEx [\(m), \(k)]·[\(k), \(n)]")
  }

  private static func check(_ status: UInt32, _ name: String) throws(BackendError) {
    if Int(status) != HOOF_CUBLAS_STATUS_SUCCESS { throw .device(code: Int32(bitPattern: status), call: name) }
  }

  /// 120405 is 12.4.5, 11400 (before 12) 11.4.0.
  private static func text(_ version: Int) -> String {
    version >= 100_000
      ? "\(version / 10000).\(version % 10000 / 100).\(version % 100)" : "\(version / 1000).\(version % 1000 / 100).\(version % 100)"
  }
}
