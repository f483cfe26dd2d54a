import Glibc
import TensorCore

/// NVIDIA GPUs through the driver, which is opened at run time so that nothing of CUDA is needed to build or start.
public enum CUDABackend {
  public static func open(_ options: BackendRegistry.Options) throws(BackendError) -> any ComputeBackend {
    let name = "libcuda.so.1"
    guard let driver = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      throw .unavailable(reason: "\(name) not found: no NVIDIA driver is installed here")
    }
    defer { dlclose(driver) }
    typealias Initialize = @convention(c) (UInt32) -> Int32
    typealias Count = @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
    guard let initialize = dlsym(driver, "cuInit"), let count = dlsym(driver, "cuDeviceGetCount") else {
      throw .unavailable(reason: "\(name) has no cuInit: it is not an NVIDIA driver")
    }
    let code = unsafeBitCast(initialize, to: Initialize.self)(0)
    guard code == 0 else {
      throw .unavailable(reason: code == 100 ? "the NVIDIA driver sees no GPU" : "cuInit failed with code \(code)")
    }
    var devices: Int32 = 0
    guard unsafeBitCast(count, to: Count.self)(&devices) == 0, devices > 0 else {
      throw .unavailable(reason: "the NVIDIA driver sees no GPU")
    }
    throw .unavailable(reason: "\(devices) NVIDIA GPU\(devices == 1 ? "" : "s") found, but this version of hoof has no CUDA kernels yet")
  }
}
