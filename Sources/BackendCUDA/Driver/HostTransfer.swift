import CKernels
import Glibc
import Synchronization
import TensorCore

/// Bytes between host and device through pinned memory, in the order of the stream. A large upload is a mapped file as a rule, so that the
/// host's copy (page faults, page cache) is slower than the bus: several threads fill pinned chunks, and each chunk goes on the bus as soon
/// as it is full. A chunk is filled again only after its copy has run, so host and bus work side by side, across uploads as well.
final class HostTransfer: Sendable {
  /// 40 microseconds of the bus: long against the few of a driver call, short enough that a matrix of a few megabytes keeps all threads busy.
  static let chunkBytes = 2 << 20
  /// Uploads up to this size share a pinned block: they cost a memcpy and one driver call.
  static let smallBytes = 64 << 10
  private static let smallBlockBytes = 1 << 20
  /// From here on threads help. Starting them takes about 100 microseconds, in which the chunks of the upload before keep the bus busy.
  private static let threadedBytes = 4 << 20
  /// A core copies 6 to 10 GB/s out of the page cache, PCIe 5 takes 50.
  private static let threads = max(1, min(8, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))

  private let queue: CUDAQueue
  /// Chunks of large uploads, used in turn.
  private let chunks: [PinnedMemory]
  private let turn = Atomic(0)
  private let small: SmallUploads
  /// Downloads: one chunk is read while the other fills.
  private let incoming: [PinnedMemory]
  private let downloads = Mutex(())

  init(_ queue: CUDAQueue) {
    self.queue = queue
    chunks = (0..<3 * HostTransfer.threads).map { _ in PinnedMemory(byteCount: HostTransfer.chunkBytes, queue) }
    small = SmallUploads(blockBytes: HostTransfer.smallBlockBytes, queue)
    incoming = (0..<2).map { _ in PinnedMemory(byteCount: HostTransfer.chunkBytes, queue) }
  }

  /// Queues the bytes for the device. They have been read when this returns.
  func upload(_ bytes: UnsafeRawBufferPointer, to address: UInt64) throws(BackendError) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    if bytes.count <= HostTransfer.smallBytes { return try small.upload(start, bytes.count, to: address) }
    let source = UInt(bitPattern: start), byteCount = bytes.count
    let chunkCount = (byteCount + HostTransfer.chunkBytes - 1) / HostTransfer.chunkBytes
    let threads = byteCount < HostTransfer.threadedBytes ? 1 : min(HostTransfer.threads, chunkCount)
    let next = Atomic(0)
    let failure = FirstFailure()
    inParallel(threads) {
      while !failure.isSet {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < chunkCount else { return }
        let offset = index * HostTransfer.chunkBytes
        do throws(BackendError) {
          try self.uploadChunk(source + UInt(offset), min(HostTransfer.chunkBytes, byteCount - offset), to: address + UInt64(offset))
        } catch { failure.keep(error) }
      }
    }
    try failure.rethrow()
  }

  private func uploadChunk(_ source: UInt, _ byteCount: Int, to address: UInt64) throws(BackendError) {
    let chunk = chunks[turn.wrappingAdd(1, ordering: .relaxed).oldValue % chunks.count]
    try chunk.use { memory throws(BackendError) in
      guard let source = UnsafeRawPointer(bitPattern: source) else { return }
      memcpy(memory, source, byteCount)
      try queue.driver.check(queue.driver.call.cuMemcpyHtoDAsync_v2(address, memory, byteCount, queue.stream), "cuMemcpyHtoDAsync")
    }
  }

  /// Waits for everything queued before, and for the bytes.
  func download(from address: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(BackendError) {
    guard let target = bytes.baseAddress, bytes.count > 0 else { return }
    let step = HostTransfer.chunkBytes
    let offsets = Array(stride(from: 0, to: bytes.count, by: step))
    func fetch(_ index: Int) throws(BackendError) {
      guard index < offsets.count else { return }
      let offset = offsets[index]
      try incoming[index % 2].use { memory throws(BackendError) in
        try queue.driver.check(
          queue.driver.call.cuMemcpyDtoHAsync_v2(memory, address + UInt64(offset), min(step, bytes.count - offset), queue.stream),
          "cuMemcpyDtoHAsync")
      }
    }
    try downloads.withLock { _ in
      Result { () throws(BackendError) in
        try fetch(0)
        for (index, offset) in offsets.enumerated() {
          try fetch(index + 1)
          memcpy(target + offset, try incoming[index % 2].open(), min(step, bytes.count - offset))
        }
      }
    }.get()
  }
}

/// Ids, positions, masks: many to a block of pinned memory, so that most uploads neither record nor wait for an event.
private final class SmallUploads: Sendable {
  private struct State {
    var block = 0
    var used = 0
  }

  private let queue: CUDAQueue
  private let blockBytes: Int
  private let blocks: [PinnedMemory]
  private let state = Mutex(State())

  init(blockBytes: Int, _ queue: CUDAQueue) {
    self.queue = queue
    self.blockBytes = blockBytes
    blocks = (0..<4).map { _ in PinnedMemory(byteCount: blockBytes, queue) }
  }

  func upload(_ source: UnsafeRawPointer, _ byteCount: Int, to address: UInt64) throws(BackendError) {
    try state.withLock { state in
      Result { () throws(BackendError) in
        if state.used + byteCount > blockBytes {
          try blocks[state.block].close()
          state = State(block: (state.block + 1) % blocks.count)
        }
        let memory = try blocks[state.block].open() + state.used
        state.used = (state.used + byteCount + 15) & ~15
        memcpy(memory, source, byteCount)
        try queue.driver.check(queue.driver.call.cuMemcpyHtoDAsync_v2(address, memory, byteCount, queue.stream), "cuMemcpyHtoDAsync")
      }
    }.get()
  }
}

/// Runs `body` on `count` threads, the caller's among them; returns when all are done. For jobs of milliseconds: threads start anew.
func inParallel(_ count: Int, _ body: @escaping @Sendable () -> Void) {
  let threads = (1..<max(1, count)).compactMap { _ in startThread(body) }
  body()
  for thread in threads { pthread_join(thread, nil) }
}

/// nil when the system has no thread left.
func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
  final class Job: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let job = Unmanaged.passRetained(Job(body))
  let code = pthread_create(
    &thread, nil,
    { argument in
      if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body() }
      return nil
    }, job.toOpaque())
  guard code == 0 else {
    job.release()
    return nil
  }
  return thread
}
