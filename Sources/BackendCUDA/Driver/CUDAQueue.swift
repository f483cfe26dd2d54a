import CKernels
import Glibc
import Synchronization
import TensorCore

/// A device's primary context and the one stream everything is queued in, with its memory pool. Ends when its last user does.
final class CUDAQueue: Sendable {
  let driver: CUDADriver
  let device: CUDADevice
  private nonisolated(unsafe) let context: hoof_cu_context
  private nonisolated(unsafe) let pool: hoof_cu_pool
  nonisolated(unsafe) let stream: hoof_cu_stream
  /// Which queue's context a thread has; contexts may come back under an old address, numbers never do.
  private let number: Int

  init(_ driver: CUDADriver, device index: Int) throws(BackendError) {
    self.driver = driver
    let device = try CUDADevice(index: index, driver)
    self.device = device
    var context: hoof_cu_context?, stream: hoof_cu_stream?, pool: hoof_cu_pool?
    try driver.check(driver.call.cuDevicePrimaryCtxRetain(&context, device.handle), "cuDevicePrimaryCtxRetain")
    do throws(BackendError) {
      try driver.check(driver.call.cuCtxSetCurrent(context), "cuCtxSetCurrent")
      try driver.check(driver.call.cuDeviceGetDefaultMemPool(&pool, device.handle), "cuDeviceGetDefaultMemPool")
      // Freed memory stays with us: going through the operating system costs more than most ops.
      var threshold = UInt64.max
      try driver.check(
        driver.call.cuMemPoolSetAttribute(pool, UInt32(HOOF_CU_MEMPOOL_ATTR_RELEASE_THRESHOLD), &threshold), "cuMemPoolSetAttribute")
      try driver.check(driver.call.cuStreamCreate(&stream, UInt32(HOOF_CU_STREAM_NON_BLOCKING)), "cuStreamCreate")
      guard let context, let stream, let pool else { throw .unavailable(reason: "the NVIDIA driver gave no context") }
      (self.context, self.stream, self.pool) = (context, stream, pool)
    } catch {
      _ = driver.call.cuDevicePrimaryCtxRelease_v2(device.handle)
      throw error
    }
    number = CUDAQueue.numbers.wrappingAdd(1, ordering: .relaxed).newValue
    pthread_setspecific(CUDAQueue.currentNumber, UnsafeRawPointer(bitPattern: number))
  }

  deinit {
    // Nobody is left to hear of a failure here.
    _ = driver.call.cuCtxSetCurrent(context)
    _ = driver.call.cuStreamSynchronize(stream)
    _ = driver.call.cuStreamDestroy_v2(stream)
    _ = driver.call.cuDevicePrimaryCtxRelease_v2(device.handle)
    pthread_setspecific(CUDAQueue.currentNumber, nil)
  }

  private static let numbers = Atomic(0)
  private static let currentNumber: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// The driver works on whatever context the calling thread has; before every use, for threads of a task change.
  func enter() throws(BackendError) {
    if Int(bitPattern: pthread_getspecific(CUDAQueue.currentNumber)) == number { return }
    try driver.check(driver.call.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    pthread_setspecific(CUDAQueue.currentNumber, UnsafeRawPointer(bitPattern: number))
  }

  func synchronize() throws(BackendError) {
    try enter()
    try driver.check(driver.call.cuStreamSynchronize(stream), "cuStreamSynchronize")
  }

  /// Memory in stream order. When there is none, what the pool keeps is given back and asked for again in one piece.
  func allocate(_ byteCount: Int) throws(BackendError) -> UInt64 {
    try enter()
    var address: UInt64 = 0
    var code = driver.call.cuMemAllocAsync(&address, byteCount, stream)
    if code == HOOF_CUDA_ERROR_OUT_OF_MEMORY {
      try synchronize()
      try driver.check(driver.call.cuMemPoolTrimTo(pool, 0), "cuMemPoolTrimTo")
      code = driver.call.cuMemAllocAsync(&address, byteCount, stream)
      if code == HOOF_CUDA_ERROR_OUT_OF_MEMORY { throw .outOfMemory(requested: byteCount, free: memory().free) }
    }
    try driver.check(code, "cuMemAllocAsync of \(byteCount) bytes")
    return address
  }

  /// In stream order: what is queued already may still use the memory.
  func free(_ address: UInt64) throws(BackendError) {
    try enter()
    try driver.check(driver.call.cuMemFreeAsync(address, stream), "cuMemFreeAsync")
  }

  /// What the pool keeps for the next tensors is free to us.
  func memory() -> (total: Int, free: Int) {
    var free = 0, total = 0
    guard (try? enter()) != nil, driver.call.cuMemGetInfo_v2(&free, &total) == HOOF_CUDA_SUCCESS else { return (device.memoryBytes, 0) }
    guard let attribute = driver.call.cuMemPoolGetAttribute else { return (total, free) }
    var reserved: UInt64 = 0, used: UInt64 = 0
    guard attribute(pool, UInt32(HOOF_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), &reserved) == HOOF_CUDA_SUCCESS,
      attribute(pool, UInt32(HOOF_CU_MEMPOOL_ATTR_USED_MEM_CURRENT), &used) == HOOF_CUDA_SUCCESS, reserved >= used
    else { return (total, free) }
    return (total, min(total, free + Int(reserved - used)))
  }
}
