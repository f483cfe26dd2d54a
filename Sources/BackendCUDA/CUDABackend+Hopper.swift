import TensorCore

/// One of the tiles that Sources/CKernels/cuda/matmul_sm90a.cu is compiled for.
struct HopperTile: Equatable {
  let rows: Int, columns: Int, stages: Int

  static let all = [
    HopperTile(rows: 256, columns: 192, stages: 4), HopperTile(rows: 128, columns: 256, stages: 4),
    HopperTile(rows: 128, columns: 128, stages: 6), HopperTile(rows: 128, columns: 64, stages: 8),
  ]
  static let threads = 384
  /// Columns of a and b in one stage.
  static let depth = 64

  /// What the pipeline lays out: both operands' boxes of every stage, two barriers a stage.
  var sharedBytes: Int { stages * ((rows + columns) * HopperTile.depth * 2 + 16) }

  func count(m: Int, n: Int) -> Int { (m + rows - 1) / rows * ((n + columns - 1) / columns) }

  /// Clocks that a product of [m, k]·[n, k]ᵀ would take, by waves of tiles over all multiprocessors. A step of 64 along k takes the longer
  /// of its products (4096 operations a clock) and its operands' way from the second cache (about 40 bytes a clock and multiprocessor while
  /// all of them read, at most 64); then the tile is written at about 32 bytes a clock, and filling the pipeline takes some 1500 clocks.
  func clocks(m: Int, n: Int, k: Int, outBytes: Int, multiprocessors: Int) -> Int {
    let tiles = count(m: m, n: n)
    let waves = (tiles + multiprocessors - 1) / multiprocessors
    let bytesPerClock = min(64, 40 * multiprocessors / min(tiles, multiprocessors))
    let step = max(rows * columns / 32, (rows + columns) * 128 / bytesPerClock)
    return waves * ((k + HopperTile.depth - 1) / HopperTile.depth * step + rows * columns * outBytes / 32 + 1500)
  }

  static func fastest(m: Int, n: Int, k: Int, outBytes: Int, multiprocessors: Int) -> HopperTile {
    func clocks(_ tile: HopperTile) -> Int { tile.clocks(m: m, n: n, k: k, outBytes: outBytes, multiprocessors: multiprocessors) }
    return all.dropFirst().reduce(all[0]) { clocks($1) < clocks($0) ? $1 : $0 }
  }
}

extension CUDABackend {
  /// Fewer rows than this wait for the weights whatever multiplies them, and a tile would be mostly empty.
  private static let fewestHopperRows = 33
  /// Up to this k a product is over before dividing it would pay.
  private static let shortestDivisible = 1024

  /// out = a·bᵀ + beta·out by Hopper's own instructions where these can: bf16 operands whose first bytes and rows are 16-byte aligned.
  /// False leaves the product to the kernels for every device.
  func matmulOnHopper(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) -> Bool {
    guard device.isHopper, transpose == .right, a.dtype == .bf16, b.dtype == .bf16, out.dtype == .f32 || out.dtype == .bf16,
      a.rows >= CUDABackend.fewestHopperRows, b.rows > 0, a.columns > 0
    else { return false }
    let (m, n, k) = (a.rows, b.rows, a.columns)
    let outBytes = out.dtype == .f32 ? 4 : 2
    let tile = HopperTile.fastest(m: m, n: n, k: k, outBytes: outBytes, multiprocessors: device.multiprocessors)
    // Few tiles and a long k: shares of k on all multiprocessors win, even at half the speed.
    guard k <= CUDABackend.shortestDivisible || 2 * tile.count(m: m, n: n) >= device.multiprocessors else { return false }
    guard let aMap = boxes(of: a, rows: tile.rows), let bMap = boxes(of: b, rows: tile.columns) else { return false }
    launch(
      .matmul_sm90a, "hoof_matmul_\(tile.rows)x\(tile.columns)_\(out.dtype.name)",
      grid: Grid(x: min(tile.count(m: m, n: n), device.multiprocessors)), threads: HopperTile.threads, shared: tile.sharedBytes, aMap, bMap,
      out.pointer, Int32(m), Int32(n), Int32(k), beta)
    return true
  }

  /// Boxes of `rows` rows and one stage's columns.
  func boxes(of x: Tensor, rows: Int) -> TensorMap? {
    tensorMap(
      x.pointer, rows: x.rows, columns: x.columns, rowStride: x.columns, boxRows: rows, boxColumns: HopperTile.depth)
  }
}
