import CKernels
import TensorCore

/// An NVIDIA GPU through its driver: hand-written kernels, queued one behind the other in a single stream.
public final class CUDABackend: Sendable {
  let precision: Precision
  let queue: CUDAQueue
  let modules: KernelModules
  let transfer: HostTransfer
  let vendor: VendorMatmul
  let failure = FirstFailure()

  var device: CUDADevice { queue.device }

  /// Opens GPU `options.device`; `driver` is the library's path where it is not the system's.
  public convenience init(_ options: BackendRegistry.Options = .init(), driver path: String? = nil) throws(BackendError) {
    try self.init(options, on: try CUDADriver(path: path))
  }

  init(_ options: BackendRegistry.Options, on driver: CUDADriver) throws(BackendError) {
    precision = options.precision ?? .bf16
    queue = try CUDAQueue(driver, device: options.device ?? 0)
    modules = KernelModules(queue)
    transfer = HostTransfer(queue)
    vendor = try VendorMatmul(options.vendorBLAS, queue)
  }

  public var name: String { "cuda:\(device.index) (\(device.name), sm_\(device.capability), \(precision.rawValue))" }
}
