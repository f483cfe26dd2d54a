import BackendCPU
import BackendCUDA
import CKernels
import TensorCore
import TensorTesting
import TestSupport

/// Every backend that opens on this machine, in each of its variants: the one place that lists them.
enum BackendsUnderTest {
  /// Those that compute in f32 throughout.
  static let all: [any ComputeBackend] = cpu
  /// Those with bf16 activations.
  static let mixed: [any ComputeBackend] = [MixedPrecisionBackend(CPUBackend(threads: 3))]

  /// The CUDA kernels on the emulator: as an A100 and as an H200, lanes first to last and last to first.
  static func emulated(_ precision: Precision, capability: Int, reversed: Bool) throws -> CUDABackend {
    let settings = ["HOOF_EMULATOR_CAPABILITY": "\(capability)", "HOOF_EMULATOR_REVERSE": reversed ? "1" : "0"]
    return try EmulatorLibrary.open(settings) { try CUDABackend(.init(precision: precision), driver: $0) }
  }

  /// The CPU at every instruction set it can run, alone and with three workers, which split most sizes unevenly.
  static var cpu: [any ComputeBackend] {
    let best = hoof_simd_level().rawValue
    let levels = [hoof_simd_scalar, hoof_simd_avx2, hoof_simd_avx512, hoof_simd_avx512_vnni].filter { $0.rawValue <= best }
    return levels.flatMap { level in [1, 3].map { CPUBackend(threads: $0, simd: level) } }
  }
}
