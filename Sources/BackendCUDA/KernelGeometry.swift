import TensorCore

// How the memory-bound kernels cut their work into blocks. What the kernels rely on stands beside them in Sources/CKernels/cuda. Nothing
// here depends on the device, so that the order of sums, and with it every result, is the same on all of them.

extension CUDABackend {
  /// For kernels over one long row of elements (vector.h): 256 threads with `perThread` elements each.
  static func elements(_ count: Int, perThread: Int = 16) -> Grid { Grid(x: count.dividedUp(by: elementThreads * perThread)) }
  static var elementThreads: Int { 256 }
}

/// For kernels in which a team of threads has a row (reduce.h): a warp, eight of which make a block, or the whole block.
struct RowTeams {
  let lanes: Int

  /// About `perLane` columns for each thread, at most `most` threads a row.
  init(columns: Int, perLane: Int = 16, most: Int) {
    lanes = columns <= 64 * perLane ? 32 : min(most, columns.dividedUp(by: perLane).dividedUp(by: 32) * 32)
  }

  /// For rows of logits: where there are too few rows to fill the device, each gets more threads.
  init(logits x: Tensor) { self.init(columns: x.columns, most: x.rows < 264 ? 1024 : 512) }

  var threads: Int { lanes == 32 ? 256 : lanes }
  func grid(_ teams: Int) -> Grid { Grid(x: teams.dividedUp(by: threads / lanes)) }
  var argument: Int32 { Int32(lanes) }
}

/// For reductions down the rows (columns.h): blocks of 32 packets of columns, each over one part of the rows.
struct ColumnParts {
  let tiles: Int, parts: Int

  init(_ x: Tensor) {
    tiles = x.columns.dividedUp(by: 32 * (16 / x.dtype.block.bytes))
    // At least 32 rows a part, and no more parts than fill the device: they are written and read once more.
    parts = min(x.rows.dividedUp(by: 32), max(1, 1024 / max(1, tiles)))
  }

  var grid: Grid { Grid(x: tiles, y: parts) }
  static var threads: Int { 256 }
}

extension Int {
  func dividedUp(by divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
