import CKernels
import COpenBLAS
import TensorCore

/// Runs every op on the CPU: OpenBLAS for float matrix products, the SIMD kernels of CKernels for everything else.
public final class CPUBackend: Sendable {
  /// Workers an op is split over; the only place threads come from. OpenBLAS itself runs single-threaded inside each of them.
  public let threads: Int
  /// Instruction set of the kernels in use; lower than the processor's best only in tests and comparisons.
  public let simd: hoof_simd
  let pool = MemoryPool()
  let workers: WorkerPool
  let rotations = RopeCache()

  public init(threads: Int? = nil, simd: hoof_simd? = nil) {
    self.threads = max(1, threads ?? CPUBackend.processorCount)
    workers = WorkerPool(workers: self.threads - 1)
    let best = hoof_simd_level()
    self.simd = simd.map { $0.rawValue < best.rawValue ? $0 : best } ?? best
    openblas_set_num_threads(1)
  }

  public static func open(_ options: BackendRegistry.Options) throws(BackendError) -> any ComputeBackend {
    CPUBackend(threads: options.threads)
  }
}
