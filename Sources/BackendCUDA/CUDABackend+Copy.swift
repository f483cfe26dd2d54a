import TensorCore

extension CUDABackend {
  public func copy(_ x: Tensor, into out: Tensor) {
    Check.copy(x, into: out)
    guard x.shape.count > 0 else { return }
    if x.dtype == out.dtype {
      guard x.pointer != out.pointer else { return }
      move(from: x.pointer, to: out.pointer, byteCount: x.byteCount)
    } else if x.dtype.isDense {
      launch(
        .copy, "hoof_copy_\(x.dtype.name)_\(out.dtype.name)", grid: CUDABackend.elements(x.shape.count),
        threads: CUDABackend.elementThreads, x.pointer, out.pointer, Int64(x.shape.count))
    } else {
      gather(x, at: nil, into: out)
    }
  }

  public func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    Check.gatherRows(table, at: ids, into: out)
    gather(table, at: ids, into: out)
  }

  /// Rows `ids` of a table of any type, or all of them. A power of two of lanes has a row, as many as have something to do.
  private func gather(_ table: Tensor, at ids: Tensor?, into out: Tensor) {
    guard out.columns > 0 else { return }
    let lanes = CUDABackend.lanes(out.columns.dividedUp(by: min(8, 16 / out.dtype.block.bytes)))
    let pieces = min(64, out.columns.dividedUp(by: lanes * 16))
    launch(
      .copy, "hoof_gather_rows_\(table.dtype.name)_\(out.dtype.name)",
      grid: Grid(x: out.rows.dividedUp(by: CUDABackend.gatherThreads / lanes), y: pieces), threads: CUDABackend.gatherThreads,
      table.pointer, ids.pointer, out.pointer, Int64(out.rows), Int64(out.columns), Int64(table.rowBytes), Int64(table.rows), Int32(lanes))
  }

  /// A power of two of lanes has a row, as in `gather`.
  public func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor) {
    Check.copyRows(x, at: sources, into: out, at: targets)
    guard targets.rows > 0, x.columns > 0 else { return }
    let lanes = CUDABackend.lanes(x.rowBytes.dividedUp(by: 16))
    launch(
      .copy, "hoof_copy_rows", grid: Grid(x: targets.rows.dividedUp(by: CUDABackend.gatherThreads / lanes)),
      threads: CUDABackend.gatherThreads, x.pointer, sources.pointer, out.pointer, targets.pointer, Int64(targets.rows), Int64(x.rowBytes),
      Int64(x.rows), Int64(out.rows), Int32(lanes))
  }

  private static var gatherThreads: Int { 256 }

  /// As many as have something to do.
  private static func lanes(_ pieces: Int) -> Int {
    var lanes = 1
    while lanes < gatherThreads, lanes < pieces { lanes *= 2 }
    return lanes
  }
}
