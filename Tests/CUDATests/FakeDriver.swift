import CKernels
import Glibc
import Synchronization
import TensorCore

@testable import BackendCUDA

/// A driver whose stream runs as late as it may: queued work waits until somebody synchronises or awaits an event behind it. Memory is the
/// host's, poisoned; calls on a thread without a context fail as the real ones do. One at a time: C functions have no other place for their
/// state, so the suites that use it are serialized.
enum FakeDriver {
  struct Launch {
    var kernel: String, grid: [UInt32], threads: UInt32, sharedBytes: UInt32
    var arguments: [UInt8]
  }

  struct State {
    var version = 12040, devices = 1, capability = 90, startCode: UInt32 = 0
    var memoryLimit = 1 << 30
    var used = 0
    var blocks: [UInt64: Int] = [:]
    var pinned: [UInt: Int] = [:]
    /// Work that was queued and has not run, in order; `done` pieces have run before.
    var pending: [@Sendable () -> Void] = []
    var done = 0
    /// How much must have run for each event.
    var events: [UInt: Int] = [:]
    var handles = 16 as UInt
    var functions: [UInt: String] = [:]
    var launches: [Launch] = []
    var counts: [String: Int] = [:]
    /// Call → the code it fails with, from its n-th use on.
    var failures: [String: (from: Int, code: UInt32)] = [:]
    var jitLog = ""
    var milliseconds: [Float] = []
    var pageableCopies = 0

    mutating func handle() -> UInt {
      handles += 16
      return handles
    }
    mutating func run(until position: Int) {
      while done < position, !pending.isEmpty {
        pending.removeFirst()()
        done += 1
      }
    }
    var position: Int { done + pending.count }
  }

  static let state = Mutex(State())
  static var counts: [String: Int] { state.withLock { $0.counts } }
  static var launches: [Launch] { state.withLock { $0.launches } }

  /// Starts afresh with what `change` says.
  static func reset(_ change: (inout State) -> Void = { _ in }) {
    state.withLock {
      $0 = State()
      change(&$0)
    }
  }

  static func backend(
    _ options: BackendRegistry.Options = .init(vendorBLAS: .off), blas: hoof_cublas_calls? = nil,
    image: @escaping @Sendable (String) -> UnsafePointer<CChar>? = { name in name == "loss" ? nil : UnsafePointer(strdup("// \(name)")) }
  ) throws(BackendError) -> CUDABackend {
    try CUDABackend(
      options, on: CUDADriver(calls), image: image,
      cuBLAS: { queue throws(BackendError) in
        guard let blas else { throw .unavailable(reason: "none of libcublas can be opened") }
        return try CuBLAS(queue, blas, from: "libcublas.so.12")
      })
  }

  private static let context: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// Counts the call; what it fails with, if it is to fail.
  private static func begin(_ name: String, needsContext: Bool = true) -> UInt32 {
    state.withLock { state in
      let count = state.counts[name, default: 0]
      state.counts[name] = count + 1
      if let failure = state.failures[name], count >= failure.from { return failure.code }
      return needsContext && pthread_getspecific(context) == nil ? 201 : 0
    }
  }

  private static func queue(_ work: @escaping @Sendable () -> Void) { state.withLock { $0.pending.append(work) } }

  /// In order: a piece of work runs outside the lock's reach of its own callers only when somebody waits.
  private static func run(until position: Int?) { state.withLock { $0.run(until: position ?? $0.position) } }

  static func queueForBLAS(_ work: @escaping @Sendable () -> Void) { queue(work) }

  static let calls: hoof_cuda_calls = {
    var calls = hoof_cuda_calls()
    calls.cuInit = { _ in
      let code = begin("cuInit", needsContext: false)
      return code != 0 ? code : state.withLock { $0.startCode }
    }
    calls.cuDriverGetVersion = { out in
      out?.pointee = Int32(state.withLock { $0.version })
      return begin("cuDriverGetVersion", needsContext: false)
    }
    calls.cuGetErrorName = { code, out in
      out?.pointee = code == 700 ? literal("CUDA_ERROR_ILLEGAL_ADDRESS") : literal("CUDA_ERROR_OTHER")
      return 0
    }
    calls.cuGetErrorString = { code, out in
      out?.pointee = code == 700 ? literal("an illegal memory access was encountered") : literal("something else")
      return 0
    }
    devices(&calls)
    memory(&calls)
    stream(&calls)
    modules(&calls)
    return calls
  }()

  private static func devices(_ calls: inout hoof_cuda_calls) {
    calls.cuDeviceGetCount = { out in
      out?.pointee = Int32(FakeDriver.state.withLock { $0.devices })
      return FakeDriver.begin("cuDeviceGetCount", needsContext: false)
    }
    calls.cuDeviceGet = { out, index in
      out?.pointee = index
      return FakeDriver.begin("cuDeviceGet", needsContext: false)
    }
    calls.cuDeviceGetName = { out, capacity, _ in
      if let out { strncpy(out, "Fake H200", Int(capacity)) }
      return FakeDriver.begin("cuDeviceGetName", needsContext: false)
    }
    calls.cuDeviceTotalMem_v2 = { out, _ in
      out?.pointee = FakeDriver.state.withLock { $0.memoryLimit }
      return FakeDriver.begin("cuDeviceTotalMem", needsContext: false)
    }
    calls.cuDeviceGetAttribute = { out, attribute, _ in
      let capability = FakeDriver.state.withLock { $0.capability }
      let values = [75: capability / 10, 76: capability % 10, 16: 132, 97: 232_448, 38: 50 << 20]
      out?.pointee = Int32(values[Int(attribute)] ?? 0)
      return FakeDriver.begin("cuDeviceGetAttribute", needsContext: false)
    }
    calls.cuDevicePrimaryCtxRetain = { out, _ in
      out?.pointee = OpaquePointer(bitPattern: 0x1000)
      return FakeDriver.begin("cuDevicePrimaryCtxRetain", needsContext: false)
    }
    calls.cuDevicePrimaryCtxRelease_v2 = { _ in FakeDriver.begin("cuDevicePrimaryCtxRelease", needsContext: false) }
    calls.cuCtxSetCurrent = { current in
      pthread_setspecific(FakeDriver.context, current.map { UnsafeRawPointer($0) })
      return FakeDriver.begin("cuCtxSetCurrent", needsContext: false)
    }
  }

  private static func memory(_ calls: inout hoof_cuda_calls) {
    calls.cuMemGetInfo_v2 = { free, total in
      FakeDriver.state.withLock { state in
        free?.pointee = state.memoryLimit - state.used
        total?.pointee = state.memoryLimit
      }
      return FakeDriver.begin("cuMemGetInfo")
    }
    calls.cuDeviceGetDefaultMemPool = { out, _ in
      out?.pointee = OpaquePointer(bitPattern: 0x2000)
      return FakeDriver.begin("cuDeviceGetDefaultMemPool")
    }
    calls.cuMemPoolSetAttribute = { _, attribute, value in
      let isWhole = attribute == 4 && value?.load(as: UInt64.self) == .max
      return isWhole ? FakeDriver.begin("cuMemPoolSetAttribute") : 1
    }
    calls.cuMemPoolTrimTo = { _, _ in FakeDriver.begin("cuMemPoolTrimTo") }
    calls.cuMemAllocAsync = { out, byteCount, _ in
      let code = FakeDriver.begin("cuMemAllocAsync")
      guard code == 0 else { return code }
      return FakeDriver.state.withLock { state in
        guard byteCount > 0 else { return 1 }
        guard state.used + byteCount <= state.memoryLimit else { return 2 }
        let size = (byteCount + 511) & ~511
        guard let block = aligned_alloc(512, size) else { return 2 }
        memset(block, 0xff, size)
        let address = UInt64(UInt(bitPattern: block))
        state.blocks[address] = byteCount
        state.used += byteCount
        out?.pointee = address
        return 0
      }
    }
    calls.cuMemFreeAsync = { address, _ in
      let code = FakeDriver.begin("cuMemFreeAsync")
      guard code == 0 else { return code }
      return FakeDriver.state.withLock { state in
        guard let byteCount = state.blocks.removeValue(forKey: address) else { return 1 }
        // Runs inside the lock, so the count is corrected where the work is taken: here, at once, for the limit; the bytes go later.
        state.pending.append { free(UnsafeMutableRawPointer(bitPattern: UInt(address))) }
        state.used -= byteCount
        return 0
      }
    }
    calls.cuMemHostAlloc = { out, byteCount, _ in
      let code = FakeDriver.begin("cuMemHostAlloc")
      guard code == 0, let block = malloc(byteCount) else { return code }
      FakeDriver.state.withLock { $0.pinned[UInt(bitPattern: block)] = byteCount }
      out?.pointee = block
      return 0
    }
    calls.cuMemFreeHost = { block in
      FakeDriver.state.withLock { _ = $0.pinned.removeValue(forKey: UInt(bitPattern: block)) }
      free(block)
      return FakeDriver.begin("cuMemFreeHost")
    }
  }

  /// A copy is made when the stream gets there, out of memory as it is then.
  private static func copy(_ name: String, to: UInt, from: UInt, _ byteCount: Int, host: UInt?) -> UInt32 {
    let code = FakeDriver.begin(name)
    guard code == 0 else { return code }
    FakeDriver.state.withLock { state in
      if let host, !state.pinned.contains(where: { $0 <= host && host + UInt(byteCount) <= $0 + UInt($1) }) { state.pageableCopies += 1 }
      state.pending.append {
        if let target = UnsafeMutableRawPointer(bitPattern: to), let source = UnsafeRawPointer(bitPattern: from) {
          memcpy(target, source, byteCount)
        }
      }
    }
    return 0
  }

  private static func stream(_ calls: inout hoof_cuda_calls) {
    calls.cuMemcpyHtoDAsync_v2 = { to, from, byteCount, _ in
      FakeDriver.copy("cuMemcpyHtoDAsync", to: UInt(to), from: UInt(bitPattern: from), byteCount, host: UInt(bitPattern: from))
    }
    calls.cuMemcpyDtoHAsync_v2 = { to, from, byteCount, _ in
      FakeDriver.copy("cuMemcpyDtoHAsync", to: UInt(bitPattern: to), from: UInt(from), byteCount, host: UInt(bitPattern: to))
    }
    calls.cuMemcpyDtoDAsync_v2 = { to, from, byteCount, _ in
      FakeDriver.copy("cuMemcpyDtoDAsync", to: UInt(to), from: UInt(from), byteCount, host: nil)
    }
    calls.cuMemsetD8Async = { to, value, byteCount, _ in
      FakeDriver.queue { if let target = UnsafeMutableRawPointer(bitPattern: UInt(to)) { memset(target, Int32(value), byteCount) } }
      return FakeDriver.begin("cuMemsetD8Async")
    }
    calls.cuStreamCreate = { out, _ in
      out?.pointee = OpaquePointer(bitPattern: 0x3000)
      return FakeDriver.begin("cuStreamCreate")
    }
    calls.cuStreamDestroy_v2 = { _ in FakeDriver.begin("cuStreamDestroy") }
    calls.cuStreamSynchronize = { _ in
      FakeDriver.run(until: nil)
      return FakeDriver.begin("cuStreamSynchronize")
    }
    calls.cuEventCreate = { out, _ in
      out?.pointee = OpaquePointer(bitPattern: FakeDriver.state.withLock { $0.handle() })
      return FakeDriver.begin("cuEventCreate")
    }
    calls.cuEventRecord = { event, _ in
      FakeDriver.state.withLock { $0.events[UInt(bitPattern: event)] = $0.position }
      return FakeDriver.begin("cuEventRecord")
    }
    calls.cuEventSynchronize = { event in
      let code = FakeDriver.begin("cuEventSynchronize")
      FakeDriver.run(until: FakeDriver.state.withLock { $0.events[UInt(bitPattern: event)] ?? 0 })
      return code
    }
    calls.cuEventElapsedTime = { out, _, _ in
      out?.pointee = FakeDriver.state.withLock { $0.milliseconds.isEmpty ? 1 : $0.milliseconds.removeFirst() }
      return FakeDriver.begin("cuEventElapsedTime")
    }
    calls.cuEventDestroy_v2 = { _ in FakeDriver.begin("cuEventDestroy") }
  }

  private static func modules(_ calls: inout hoof_cuda_calls) {
    calls.cuModuleLoadDataEx = { out, _, count, options, values in
      out?.pointee = OpaquePointer(bitPattern: FakeDriver.state.withLock { $0.handle() })
      let log = FakeDriver.state.withLock { $0.jitLog }
      if !log.isEmpty, count == 2, options?[0] == 5, options?[1] == 6, let buffer = values?[0] {
        _ = strncpy(buffer.assumingMemoryBound(to: CChar.self), log, Int(bitPattern: values?[1]))
      }
      return FakeDriver.begin("cuModuleLoadDataEx")
    }
    calls.cuModuleUnload = { _ in FakeDriver.begin("cuModuleUnload") }
    calls.cuModuleGetFunction = { out, _, name in
      let code = FakeDriver.begin("cuModuleGetFunction")
      FakeDriver.state.withLock { state in
        let handle = state.handle()
        state.functions[handle] = name.map { String(cString: $0) }
        out?.pointee = OpaquePointer(bitPattern: handle)
      }
      return code
    }
    calls.cuFuncGetAttribute = { out, attribute, _ in
      out?.pointee = attribute == 1 ? 1024 : 0
      return FakeDriver.begin("cuFuncGetAttribute")
    }
    calls.cuFuncSetAttribute = { _, _, value in value <= 232_448 ? FakeDriver.begin("cuFuncSetAttribute") : 1 }
    calls.cuLaunchKernel = { function, x, y, z, threads, _, _, sharedBytes, _, parameters, extra in
      let code = FakeDriver.begin("cuLaunchKernel")
      guard code == 0 else { return code }
      guard parameters == nil, let extra, Int(bitPattern: extra[0]) == 1, Int(bitPattern: extra[2]) == 2, extra[4] == nil,
        let size = extra[3]?.load(as: Int.self), x > 0, y > 0, z > 0
      else { return 1 }
      let bytes = Array(UnsafeRawBufferPointer(start: extra[1], count: size))
      FakeDriver.state.withLock { state in
        state.launches.append(
          Launch(
            kernel: state.functions[UInt(bitPattern: function)] ?? "", grid: [x, y, z], threads: threads, sharedBytes: sharedBytes,
            arguments: bytes))
      }
      return 0
    }
    calls.cuTensorMapEncodeTiled = { map, type, rank, address, sizes, strides, box, _, _, swizzle, _, _ in
      guard let map, UInt(bitPattern: map) % 64 == 0, let sizes, let strides, let box else { return 1 }
      let words: [UInt64] = [
        UInt64(type), UInt64(rank), UInt64(UInt(bitPattern: address)), sizes[0], sizes[1], strides[0], UInt64(box[0]), UInt64(box[1]),
        UInt64(swizzle),
      ]
      words.withUnsafeBytes { UnsafeMutableRawPointer(map).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(map), byteCount: $0.count) }
      return FakeDriver.begin("cuTensorMapEncodeTiled")
    }
  }

  /// Lives as long as the program.
  private static func literal(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
