import Synchronization

extension CPUBackend {
  /// Calls `body` on ranges that cover `0 ..< count` once, from up to `threads` workers, and returns when all are done. No range is
  /// shorter than `grain` unless `count` is, so a job too small to share runs on the caller. `body` must not care how the range is cut.
  func parallel(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let grain = max(1, grain)
    guard threads > 1, count >= 2 * grain else { return body(0..<count) }
    // Guided self-scheduling (Polychronopoulos and Kuck, 1987): large pieces first, small ones at the end, so that nobody waits long for
    // the last, whatever holds a worker up.
    let next = Atomic(0)
    workers.run {
      var start = next.load(ordering: .relaxed)
      while start < count {
        let size = min(count - start, max(grain, (count - start) / (2 * self.threads)))
        // A remainder too small for a piece of its own goes with this one.
        let end = count - start - size < grain ? count : start + size
        let attempt = next.weakCompareExchange(expected: start, desired: end, ordering: .relaxed)
        if attempt.exchanged { body(start..<end) }
        start = attempt.exchanged ? next.load(ordering: .relaxed) : attempt.original
      }
    }
  }

  /// Rows of `columns` floats: pieces are large enough (4 K floats, a microsecond) to be worth handing out.
  func parallelRows(_ rows: Int, columns: Int, cost: Int = 1, _ body: (Range<Int>) -> Void) {
    parallel(rows, grain: max(1, CPUBackend.floatsPerPiece / max(1, columns * cost)), body)
  }

  /// Memory from the pool for the length of one call, 64-byte aligned, contents undefined. Any worker may ask. Ops cannot report that
  /// memory ran out, so this traps; scratch is small beside the tensors that were allocated before it.
  func withScratch<Result>(bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
    guard let block = pool.take(bytes) else { preconditionFailure("scratch: no memory for \(bytes) bytes") }
    defer { pool.give(block, byteCount: bytes) }
    return body(block)
  }

  private static var floatsPerPiece: Int { 4_096 }
}
