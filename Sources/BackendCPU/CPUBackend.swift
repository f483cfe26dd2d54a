import CKernels
import COpenBLAS
import TensorCore

/// Runs every op on the CPU: OpenBLAS for float matrix products, the SIMD kernels of CKernels for everything else.
public final class CPUBackend: Sendable {
  /// Workers an op is split over; the only place threads come from. OpenBLAS itself runs single-threaded inside each of them.
  public let threads: Int
  /// Instruction set of the kernels in use; lower than the processor's best only in tests and comparisons.
  public let simd: hoof_simd
  /// `.f32` or `.int16`.
  public let precision: Precision
  let pool = MemoryPool()
  let workers: WorkerPool
  let rotations = RopeCache()

  public init(threads: Int? = nil, simd: hoof_simd? = nil, precision: Precision = .f32) {
    precondition(precision == .f32 || precision == .int16, "cpu: \(precision.rawValue)")
    self.precision = precision
    self.threads = max(1, threads ?? CPUBackend.processorCount)
    workers = WorkerPool(workers: self.threads - 1)
    let best = hoof_simd_level()
    self.simd = simd.map { $0.rawValue < best.rawValue ? $0 : best } ?? best
    openblas_set_num_threads(1)
  }

  public static func open(_ options: BackendRegistry.Options) throws(BackendError) -> any ComputeBackend {
    switch options.precision ?? (options.writesText ? .int16 : .f32) {
    case .f32: CPUBackend(threads: options.threads)
    case .int16: CPUBackend(threads: options.threads, precision: .int16)
    case .bf16: MixedPrecisionBackend(CPUBackend(threads: options.threads))
    case .tf32: throw .unavailable(reason: "tf32 is a rounding inside a GPU's matrix units: the CPU computes in f32, int16 or bf16")
    }
  }
}
