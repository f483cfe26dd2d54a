import CKernels
import TensorCore

extension CUDABackend {
  /// GPUs the driver shows; 1 where there is no driver, so that opening the first tells why.
  public static func deviceCount() -> Int {
    guard let driver = try? CUDADriver() else { return 1 }
    var count: Int32 = 0
    guard driver.call.cuDeviceGetCount(&count) == HOOF_CUDA_SUCCESS else { return 1 }
    return max(1, Int(count))
  }
}
