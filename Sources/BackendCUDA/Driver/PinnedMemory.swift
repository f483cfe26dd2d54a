import CKernels
import Synchronization
import TensorCore

/// Host memory the GPU reaches by itself, with the event after which the host may touch it again. Allocated at first use.
final class PinnedMemory: Sendable {
  private struct State {
    var address: UInt = 0
    nonisolated(unsafe) var event: hoof_cu_event?
    /// Whether the event stands behind a use that may not have run yet.
    var isAwaited = false
  }

  private let byteCount: Int
  private let queue: CUDAQueue
  private let state = Mutex(State())

  init(byteCount: Int, _ queue: CUDAQueue) {
    self.byteCount = byteCount
    self.queue = queue
  }

  deinit {
    guard (try? queue.enter()) != nil else { return }
    state.withLock { state in
      // Small uploads may be under way without an event.
      if state.address != 0 { _ = queue.driver.call.cuStreamSynchronize(queue.stream) }
      if let event = state.event { _ = queue.driver.call.cuEventDestroy_v2(event) }
      if let memory = UnsafeMutableRawPointer(bitPattern: state.address) { _ = queue.driver.call.cuMemFreeHost(memory) }
    }
  }

  /// One user at a time: waits until the device is done with the memory, then runs `body`, which may queue work that uses it. The memory
  /// is handed out again only when that work has run.
  func use(_ body: (UnsafeMutableRawPointer) throws(BackendError) -> Void) throws(BackendError) {
    try state.withLock { state in
      Result { () throws(BackendError) in
        try body(try ready(&state))
        try record(&state)
      }
    }.get()
  }

  /// The memory as soon as the device is done with what stands before the last `close`.
  func open() throws(BackendError) -> UnsafeMutableRawPointer {
    try state.withLock { state in Result { () throws(BackendError) in try ready(&state) } }.get()
  }

  /// From here on `open` waits for everything queued so far.
  func close() throws(BackendError) {
    try state.withLock { state in Result { () throws(BackendError) in try record(&state) } }.get()
  }

  private func ready(_ state: inout State) throws(BackendError) -> UnsafeMutableRawPointer {
    let driver = queue.driver
    try queue.enter()
    if state.address == 0 {
      var memory: UnsafeMutableRawPointer?
      try driver.check(
        driver.call.cuMemHostAlloc(&memory, byteCount, UInt32(HOOF_CU_MEMHOSTALLOC_PORTABLE)), "cuMemHostAlloc of \(byteCount) bytes")
      state.address = UInt(bitPattern: memory)
      try driver.check(driver.call.cuEventCreate(&state.event, UInt32(HOOF_CU_EVENT_DISABLE_TIMING)), "cuEventCreate")
    }
    if state.isAwaited {
      try driver.check(driver.call.cuEventSynchronize(state.event), "cuEventSynchronize")
      state.isAwaited = false
    }
    guard let memory = UnsafeMutableRawPointer(bitPattern: state.address) else {
      throw .device(code: 0, call: "cuMemHostAlloc of \(byteCount) bytes, which gave none,")
    }
    return memory
  }

  private func record(_ state: inout State) throws(BackendError) {
    try queue.enter()
    try queue.driver.check(queue.driver.call.cuEventRecord(state.event, queue.stream), "cuEventRecord")
    state.isAwaited = true
  }
}
