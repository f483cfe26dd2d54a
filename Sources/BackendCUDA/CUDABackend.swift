import CKernels
import Synchronization
import TensorCore

/// An NVIDIA GPU through its driver: hand-written kernels, queued one behind the other in a single stream.
public final class CUDABackend: Sendable {
  let precision: Precision
  let queue: CUDAQueue
  let modules: KernelModules
  let transfer: HostTransfer
  let vendor: VendorMatmul
  let failure = FirstFailure()
  let hasWarmedUp = Atomic(false)

  var device: CUDADevice { queue.device }

  /// Opens GPU `options.device`; `driver` is the library's path where it is not the system's.
  public convenience init(_ options: BackendRegistry.Options = .init(), driver path: String? = nil) throws(BackendError) {
    try self.init(options, on: try CUDADriver(path: path))
  }

  /// With parts that tests replace.
  init(
    _ options: BackendRegistry.Options, on driver: CUDADriver,
    image: @escaping @Sendable (String) -> UnsafePointer<CChar>? = { hoof_cuda_image($0) },
    cuBLAS: @escaping @Sendable (CUDAQueue) throws(BackendError) -> CuBLAS = { queue throws(BackendError) in try CuBLAS.open(queue) }
  ) throws(BackendError) {
    // scripts/kernels.sh writes all of them or none: better now than at the first op, when a study no longer falls back to the CPU.
    guard image(KernelFile.elementwise.name) != nil else {
      throw .unavailable(reason: "this build has no kernel images: scripts/kernels.sh compiles them")
    }
    guard options.precision != .int16 else {
      throw .unavailable(reason: "int16 is a rounding for a CPU's whole numbers: a GPU computes in bf16, tf32 or f32")
    }
    precision = options.precision ?? .bf16
    queue = try CUDAQueue(driver, device: options.device ?? 0)
    modules = KernelModules(queue, image: image)
    transfer = HostTransfer(queue)
    vendor = try VendorMatmul(options.vendorBLAS, queue, open: cuBLAS)
  }

  deinit { modules.endWarmUp() }

  public var name: String { "cuda:\(device.index) (\(device.name), sm_\(device.capability), \(precision.rawValue))" }
}
