import BackendCPU
import CKernels
import TensorCore
import TensorTesting

/// Every backend that opens on this machine, in each of its variants: the one place that lists them.
enum BackendsUnderTest {
  /// Those that compute in f32 throughout.
  static let all: [any ComputeBackend] = cpu + cuda.filter { $0.activations == .f32 }
  /// Those with bf16 activations.
  static let mixed: [any ComputeBackend] = [MixedPrecisionBackend(CPUBackend(threads: 3))] + cuda.filter { $0.activations == .bf16 }

  /// GPUs, real or emulated, at each precision.
  static let cuda: [any ComputeBackend] = []

  /// The CPU at every instruction set it can run, alone and with three workers, which split most sizes unevenly.
  static var cpu: [any ComputeBackend] {
    let best = hoof_simd_level().rawValue
    let levels = [hoof_simd_scalar, hoof_simd_avx2, hoof_simd_avx512, hoof_simd_avx512_vnni].filter { $0.rawValue <= best }
    return levels.flatMap { level in [1, 3].map { CPUBackend(threads: $0, simd: level) } }
  }
}
