import Glibc
import Synchronization

/// Keeps freed memory for the next tensors, because fresh pages cost more than most ops that fill them. Small blocks are kept by size; large
/// ones are cut from and merged back into spans of pages, so that what held an MLP's activations holds the attention's next.
/// What is kept is bounded by a share of the greatest live demand so far.
final class MemoryPool: Sendable {
  private struct State {
    /// Addresses of kept small blocks by rounded size.
    var blocks: [Int: [UInt]] = [:]
    var spans = PageSpans()
    var keptBytes = 0
    var liveBytes = 0
    var peakBytes = 0
  }

  private let state = Mutex(State())

  static let alignment = 64
  /// From here on blocks are pages of their own.
  private static let pagedBytes = 1 << 20
  /// Page blocks are multiples of this: the cost of a cut is not worth smaller remainders.
  private static let pageStep = 1 << 16
  /// Kept beyond the peak: half for what cutting wastes, and enough for small programs not to care.
  private static func limit(_ peak: Int) -> Int { peak + peak / 2 + (32 << 20) }

  /// Small: at least one line, then eight steps per power of two, so that sizes that differ a little share blocks.
  static func rounded(_ byteCount: Int) -> Int {
    if byteCount <= 512 { return max(alignment, (byteCount + alignment - 1) & ~(alignment - 1)) }
    if byteCount >= pagedBytes { return (byteCount + pageStep - 1) & ~(pageStep - 1) }
    let step = 1 << (Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount - 3)
    return (byteCount + step - 1) & ~(step - 1)
  }

  /// Bytes in use and bytes kept.
  var usage: (live: Int, kept: Int) { state.withLock { ($0.liveBytes, $0.keptBytes) } }

  /// A block of at least `byteCount` bytes, or nil when the system has none. Contents are undefined.
  func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let size = MemoryPool.rounded(byteCount)
    let bits: UInt? = state.withLock { state in
      let kept = size >= MemoryPool.pagedBytes ? state.spans.take(size) : state.blocks[size]?.popLast()
      if kept != nil {
        state.keptBytes -= size
      } else {
        let peak = max(state.peakBytes, state.liveBytes + size)
        MemoryPool.evict(&state, downTo: max(0, MemoryPool.limit(peak) - state.liveBytes - size))
      }
      guard let address = kept ?? MemoryPool.obtain(size) else { return nil }
      state.liveBytes += size
      state.peakBytes = max(state.peakBytes, state.liveBytes)
      return address
    }
    return bits.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
  }

  func give(_ block: UnsafeMutableRawPointer, byteCount: Int) {
    let size = MemoryPool.rounded(byteCount)
    let address = UInt(bitPattern: block)
    state.withLock { state in
      state.liveBytes -= size
      state.keptBytes += size
      if size >= MemoryPool.pagedBytes { state.spans.give(address, size) } else { state.blocks[size, default: []].append(address) }
    }
  }

  /// Returns everything that is kept to the system.
  func drain() { state.withLock { MemoryPool.evict(&$0, downTo: 0) } }

  deinit { drain() }

  /// Whether a block of this size is at hand.
  func holds(_ byteCount: Int) -> Bool {
    let size = MemoryPool.rounded(byteCount)
    return state.withLock { size >= MemoryPool.pagedBytes ? $0.spans.holds(size) : !($0.blocks[size] ?? []).isEmpty }
  }

  /// Largest first: fewest calls, and small blocks are wanted again soonest.
  private static func evict(_ state: inout State, downTo bytes: Int) {
    while state.keptBytes > bytes, let (address, size) = state.spans.removeLargest() {
      munmap(UnsafeMutableRawPointer(bitPattern: address), size)
      state.keptBytes -= size
    }
    guard state.keptBytes > bytes else { return }
    for size in state.blocks.keys.sorted(by: >) {
      while state.keptBytes > bytes, let address = state.blocks[size]?.popLast() {
        free(UnsafeMutableRawPointer(bitPattern: address))
        state.keptBytes -= size
      }
    }
  }

  private static func obtain(_ size: Int) -> UInt? {
    if size < pagedBytes { return aligned_alloc(alignment, size).map { UInt(bitPattern: $0) } }
    guard let block = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), block != MAP_FAILED else { return nil }
    madvise(block, size, MADV_HUGEPAGE)
    return UInt(bitPattern: block)
  }
}

/// Free pages as spans in order of address; neighbours are one span, whichever mappings they came from.
private struct PageSpans {
  private var spans: [(start: UInt, size: Int)] = []

  func holds(_ size: Int) -> Bool { spans.contains { $0.size >= size } }

  /// Cut from the smallest span that fits.
  mutating func take(_ size: Int) -> UInt? {
    guard let index = spans.indices.filter({ spans[$0].size >= size }).min(by: { spans[$0].size < spans[$1].size }) else { return nil }
    let start = spans[index].start
    if spans[index].size == size {
      spans.remove(at: index)
    } else {
      spans[index] = (start + UInt(size), spans[index].size - size)
    }
    return start
  }

  mutating func give(_ start: UInt, _ size: Int) {
    var index = spans.firstIndex { $0.start > start } ?? spans.count
    spans.insert((start, size), at: index)
    if index > 0, spans[index - 1].start + UInt(spans[index - 1].size) == start {
      spans[index - 1].size += size
      spans.remove(at: index)
      index -= 1
    }
    if index + 1 < spans.count, spans[index].start + UInt(spans[index].size) == spans[index + 1].start {
      spans[index].size += spans[index + 1].size
      spans.remove(at: index + 1)
    }
  }

  mutating func removeLargest() -> (UInt, Int)? {
    guard let index = spans.indices.max(by: { spans[$0].size < spans[$1].size }) else { return nil }
    return spans.remove(at: index)
  }
}
