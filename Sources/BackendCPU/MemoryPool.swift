import Glibc
import Synchronization

/// Keeps freed blocks for the next tensor of about the same size, because fresh pages cost more than most ops that fill them.
/// Live and kept blocks together never exceed the greatest live demand so far, so the pool does not make the process larger.
final class MemoryPool: Sendable {
  private struct State {
    /// Addresses of kept blocks by rounded size.
    var kept: [Int: [UInt]] = [:]
    /// Real sizes of live blocks that are larger than what was asked for.
    var larger: [UInt: Int] = [:]
    var keptBytes = 0
    var liveBytes = 0
    var peakBytes = 0
  }

  private let state = Mutex(State())

  static let alignment = 64
  /// From here on blocks are mapped pages: returned to the system at once when released, whatever malloc's thresholds have become.
  private static let mappedBytes = 1 << 20
  private static let hugePageBytes = 4 << 20

  /// At least one line, then eight steps per power of two: at most an eighth is wasted, and sizes that differ a little share blocks.
  static func rounded(_ byteCount: Int) -> Int {
    if byteCount <= 512 { return max(alignment, (byteCount + alignment - 1) & ~(alignment - 1)) }
    let step = 1 << (Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount - 3)
    return (byteCount + step - 1) & ~(step - 1)
  }

  /// Bytes in use and bytes kept.
  var usage: (live: Int, kept: Int) { state.withLock { ($0.liveBytes, $0.keptBytes) } }

  /// A block of at least `byteCount` bytes, or nil when the system has none. Contents are undefined.
  func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let size = MemoryPool.rounded(byteCount)
    let bits: UInt? = state.withLock { state in
      if let address = MemoryPool.reuse(&state, size) { return address }
      MemoryPool.evict(&state, downTo: max(0, state.peakBytes - state.liveBytes - size))
      guard let address = MemoryPool.obtain(size) else { return nil }
      state.liveBytes += size
      state.peakBytes = max(state.peakBytes, state.liveBytes)
      return address
    }
    return bits.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
  }

  /// The smallest kept block that fits and is at most twice as large: batches of three and of four changed models share their memory.
  private static func reuse(_ state: inout State, _ size: Int) -> UInt? {
    guard let fit = state.kept.keys.filter({ $0 >= size && $0 <= 2 * size }).min(), let address = state.kept[fit]?.popLast() else {
      return nil
    }
    if state.kept[fit]?.isEmpty == true { state.kept[fit] = nil }
    if fit != size { state.larger[address] = fit }
    state.keptBytes -= fit
    state.liveBytes += fit
    return address
  }

  func give(_ block: UnsafeMutableRawPointer, byteCount: Int) {
    let rounded = MemoryPool.rounded(byteCount)
    state.withLock { state in
      let size = state.larger.removeValue(forKey: UInt(bitPattern: block)) ?? rounded
      state.liveBytes -= size
      state.keptBytes += size
      state.kept[size, default: []].append(UInt(bitPattern: block))
    }
  }

  /// Returns every kept block to the system.
  func drain() { state.withLock { MemoryPool.evict(&$0, downTo: 0) } }

  deinit { drain() }

  /// Whether a block of this size is at hand.
  func holds(_ byteCount: Int) -> Bool {
    let size = MemoryPool.rounded(byteCount)
    return state.withLock { $0.kept.keys.contains { $0 >= size && $0 <= 2 * size } }
  }

  private static func evict(_ state: inout State, downTo bytes: Int) {
    guard state.keptBytes > bytes else { return }
    for size in state.kept.keys.sorted(by: >) {
      while state.keptBytes > bytes, let address = state.kept[size]?.popLast() {
        release(address, size)
        state.keptBytes -= size
      }
      if state.kept[size]?.isEmpty == true { state.kept[size] = nil }
    }
  }

  private static func obtain(_ size: Int) -> UInt? {
    if size < mappedBytes {
      return aligned_alloc(alignment, size).map { UInt(bitPattern: $0) }
    }
    guard let block = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), block != MAP_FAILED else { return nil }
    if size >= hugePageBytes { madvise(block, size, MADV_HUGEPAGE) }
    return UInt(bitPattern: block)
  }

  private static func release(_ address: UInt, _ size: Int) {
    guard let block = UnsafeMutableRawPointer(bitPattern: address) else { return }
    if size < mappedBytes { free(block) } else { munmap(block, size) }
  }
}
