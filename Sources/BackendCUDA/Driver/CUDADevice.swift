import CKernels
import TensorCore

/// What one GPU is; read once.
struct CUDADevice: Sendable {
  let index: Int
  /// "NVIDIA H200"
  let name: String
  /// Compute capability without its dot: 80, 90.
  let capability: Int
  let multiprocessors: Int
  /// Most shared memory a block may ask for.
  let sharedBytesPerBlock: Int
  let l2Bytes: Int
  let memoryBytes: Int
  let handle: hoof_cu_device

  static let neededCapability = 80

  /// wgmma and tensor maps: what the *_sm90a kernels are compiled for runs on 9.0 alone.
  var isHopper: Bool { capability == 90 }

  init(index: Int, _ driver: CUDADriver) throws(BackendError) {
    var count: Int32 = 0
    try driver.check(driver.call.cuDeviceGetCount(&count), "cuDeviceGetCount")
    guard count > 0 else { throw .unavailable(reason: "the NVIDIA driver sees no GPU") }
    guard index >= 0, index < count else {
      throw .unavailable(
        reason: "there is no GPU \(index): the driver sees \(count), numbered from 0 (CUDA_VISIBLE_DEVICES chooses among them)")
    }
    var handle = hoof_cu_device()
    try driver.check(driver.call.cuDeviceGet(&handle, Int32(index)), "cuDeviceGet")
    let device = handle
    func attribute(_ attribute: Int) throws(BackendError) -> Int {
      var value: Int32 = 0
      try driver.check(driver.call.cuDeviceGetAttribute(&value, UInt32(attribute), device), "cuDeviceGetAttribute \(attribute)")
      return Int(value)
    }
    var text = [CChar](repeating: 0, count: 256)
    try driver.check(driver.call.cuDeviceGetName(&text, Int32(text.count - 1), device), "cuDeviceGetName")
    var bytes = 0
    try driver.check(driver.call.cuDeviceTotalMem_v2(&bytes, device), "cuDeviceTotalMem")

    self.index = index
    self.handle = device
    name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    capability =
      10 * (try attribute(HOOF_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR))
      + (try attribute(HOOF_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR))
    multiprocessors = try attribute(HOOF_CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
    sharedBytesPerBlock = try attribute(HOOF_CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
    l2Bytes = try attribute(HOOF_CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)
    memoryBytes = bytes
    guard capability >= CUDADevice.neededCapability else {
      throw .unavailable(
        reason: "GPU \(index) (\(name)) has compute capability \(capability / 10).\(capability % 10); the kernels need 8.0 (A100) or newer")
    }
  }
}
