import Synchronization

extension CPUBackend {
  /// Calls `body` on ranges that cover `0 ..< count` once, from up to `threads` workers, and returns when all are done. No range is
  /// shorter than `grain` unless `count` is, so a job too small to share runs on the caller. `body` must not care how the range is cut.
  func parallel(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let largest = count / max(1, grain)
    // More pieces than workers: one that is held up (another process, a longer sequence) does not hold up the rest.
    let pieces = min(largest, threads * CPUBackend.piecesPerThread)
    guard threads > 1, pieces > 1 else { return body(0..<count) }
    let next = Atomic(0)
    workers.run {
      while true {
        let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard piece < pieces else { return }
        body(count * piece / pieces..<count * (piece + 1) / pieces)
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

  private static var piecesPerThread: Int { 4 }
  private static var floatsPerPiece: Int { 4_096 }
}
