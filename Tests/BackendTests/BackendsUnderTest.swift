import BackendCPU
import CKernels
import TensorCore
import TensorTesting

/// Every backend that opens on this machine, in each of its variants: the one place that lists them.
enum BackendsUnderTest {
  static let all: [any ComputeBackend] = cpu

  /// The CPU at every instruction set it can run, alone and with three workers, which split most sizes unevenly.
  static var cpu: [any ComputeBackend] {
    let best = hoof_simd_level().rawValue
    let levels = [hoof_simd_scalar, hoof_simd_avx2, hoof_simd_avx512, hoof_simd_avx512_vnni].filter { $0.rawValue <= best }
    return levels.flatMap { level in [1, 3].map { CPUBackend(threads: $0, simd: level) } }
  }
}
