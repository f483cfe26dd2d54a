import CKernels
import Glibc
import Synchronization
import TensorCore

/// A kernel the driver has compiled for the device.
struct KernelFunction: @unchecked Sendable {
  let handle: hoof_cu_function
  /// Dynamic shared memory it may ask for so far.
  var sharedBytes: Int

  /// Static and dynamic shared memory a kernel may have together without more being asked for by name.
  static let plainSharedBytes = 48 << 10
}

/// The kernel files as modules of the driver. Each is compiled from its PTX at first use; the driver keeps the result on disk, so that only
/// the first start on a machine pays.
final class KernelModules: Sendable {
  private struct Module {
    nonisolated(unsafe) var handle: hoof_cu_module?
    var functions: [String: KernelFunction] = [:]
  }

  private let queue: CUDAQueue
  private let image: @Sendable (String) -> UnsafePointer<CChar>?
  /// One lock a file: while one thread compiles a file, others go on with theirs.
  private let slots: [Slot]

  private let warmUps = WarmUps()

  private final class Slot: Sendable {
    let module = Mutex(Module())
  }

  /// `image` finds the PTX of a kernel file.
  init(_ queue: CUDAQueue, image: @escaping @Sendable (String) -> UnsafePointer<CChar>?) {
    self.queue = queue
    self.image = image
    slots = KernelFile.allCases.map { _ in Slot() }
  }

  deinit {
    guard (try? queue.synchronize()) != nil else { return }
    for slot in slots {
      slot.module.withLock { module in
        if let handle = module.handle { _ = queue.driver.call.cuModuleUnload(handle) }
      }
    }
  }

  /// The function, allowed to use this much dynamic shared memory.
  func function(_ file: KernelFile, _ kernel: String, sharedBytes: Int) throws(BackendError) -> KernelFunction {
    try slots[file.rawValue].module.withLock { module in
      Result { () throws(BackendError) in
        if let known = module.functions[kernel], sharedBytes <= known.sharedBytes { return known }
        let function = try find(file, kernel, sharedBytes, &module)
        module.functions[kernel] = function
        return function
      }
    }.get()
  }

  /// Compiles the files in the background, several at a time; who needs one that is under way waits for it alone. Failures are left to
  /// the first use of the file.
  func warmUp(_ files: [KernelFile], threads: Int = 4) {
    for _ in 0..<threads {
      let thread = startThread {
        while let file = self.warmUps.next(of: files) { try? self.load(file) }
      }
      if let thread { warmUps.threads.withLock { $0.append(thread) } }
    }
  }

  /// Ends what `warmUp` began, after the files that are under way.
  func endWarmUp() {
    warmUps.isOver.store(true, ordering: .relaxed)
    for thread in warmUps.threads.withLock({ $0 }) { pthread_join(thread, nil) }
  }

  func load(_ file: KernelFile) throws(BackendError) {
    try slots[file.rawValue].module.withLock { module in Result { () throws(BackendError) in _ = try load(file, &module) } }.get()
  }

  private func find(
    _ file: KernelFile, _ kernel: String, _ sharedBytes: Int, _ module: inout Module
  ) throws(BackendError) -> KernelFunction {
    let driver = queue.driver
    try queue.enter()
    let known = module.functions[kernel]
    var function: KernelFunction
    if let known { function = known } else { function = try lookUp(file, kernel, &module) }
    if sharedBytes > function.sharedBytes {
      try driver.check(
        driver.call.cuFuncSetAttribute(function.handle, UInt32(HOOF_CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), Int32(sharedBytes)),
        "cuFuncSetAttribute \(kernel): \(sharedBytes) bytes of shared memory")
      function.sharedBytes = sharedBytes
    }
    return function
  }

  private func lookUp(_ file: KernelFile, _ kernel: String, _ module: inout Module) throws(BackendError) -> KernelFunction {
    let driver = queue.driver
    let loaded = try load(file, &module)
    var handle: hoof_cu_function?, fixed: Int32 = 0
    try driver.check(driver.call.cuModuleGetFunction(&handle, loaded, kernel), "cuModuleGetFunction \(kernel) of \(file.name)")
    guard let handle else { throw .device(code: 0, call: "cuModuleGetFunction \(kernel) of \(file.name), which gave none,") }
    try driver.check(
      driver.call.cuFuncGetAttribute(&fixed, UInt32(HOOF_CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES), handle), "cuFuncGetAttribute \(kernel)")
    return KernelFunction(handle: handle, sharedBytes: KernelFunction.plainSharedBytes - Int(fixed))
  }

  private func load(_ file: KernelFile, _ module: inout Module) throws(BackendError) -> hoof_cu_module? {
    if let handle = module.handle { return handle }
    guard let image = image(file.name) else {
      throw .unavailable(reason: "this build has no kernel image '\(file.name)': scripts/kernels.sh compiles it")
    }
    try queue.enter()
    module.handle = try compile(image, file)
    return module.handle
  }

  /// What the driver's compiler says goes into the error.
  private func compile(_ image: UnsafePointer<CChar>, _ file: KernelFile) throws(BackendError) -> hoof_cu_module? {
    let capacity = 8192
    var handle: hoof_cu_module?
    var log = [CChar](repeating: 0, count: capacity)
    let code = log.withUnsafeMutableBytes { log in
      var options = [UInt32(HOOF_CU_JIT_ERROR_LOG_BUFFER), UInt32(HOOF_CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)]
      var values = [log.baseAddress, UnsafeMutableRawPointer(bitPattern: capacity)]
      return queue.driver.call.cuModuleLoadDataEx(&handle, image, UInt32(options.count), &options, &values)
    }
    let text = String(decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    try queue.driver.check(code, "cuModuleLoadDataEx of kernel image \(file.name)\(text.isEmpty ? "" : ": \(text)")")
    return handle
  }
}

/// Threads that compile in the background, and which file is next.
private final class WarmUps: Sendable {
  let threads = Mutex<[pthread_t]>([])
  let isOver = Atomic(false)
  private let index = Atomic(0)

  func next(of files: [KernelFile]) -> KernelFile? {
    let index = index.wrappingAdd(1, ordering: .relaxed).oldValue
    return index < files.count && !isOver.load(ordering: .relaxed) ? files[index] : nil
  }
}
