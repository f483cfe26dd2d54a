import CKernels
import Glibc
import TensorCore

extension CPUBackend {
  public func copy(_ x: Tensor, into out: Tensor) {
    Check.copy(x, into: out)
    guard x.rows > 0, x.columns > 0 else { return }
    let from = UnsafeRawPointer(x.raw), into = out.raw
    if x.dtype == out.dtype {
      guard from != UnsafeRawPointer(into) else { return }
      return parallel(x.byteCount, grain: CPUBackend.bytesPerPiece) { memmove(into + $0.lowerBound, from + $0.lowerBound, $0.count) }
    }
    let columns = x.columns
    let (source, target) = (x.dtype.stored, out.dtype.stored)
    let (sourceBytes, targetBytes) = (x.rowBytes, out.rowBytes)
    // Dense matrices are one long row: narrow ones would pay a call for each few elements.
    let flat = x.dtype.isDense
    let (rows, width) = flat ? (1, x.rows * columns) : (x.rows, columns)
    let chunks = (width + CPUBackend.chunk - 1) / CPUBackend.chunk
    parallel(rows * chunks, grain: max(1, CPUBackend.bytesPerPiece / (4 * min(width, CPUBackend.chunk)))) { pieces in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: CPUBackend.chunk) { line in
        for piece in pieces {
          let (row, index) = piece.quotientAndRemainder(dividingBy: chunks)
          let first = index * CPUBackend.chunk, count = min(CPUBackend.chunk, width - first)
          let bytes = from + row * sourceBytes
          let goal = into + row * targetBytes + first * out.dtype.block.bytes
          if out.dtype == .f32 {
            hoof_row_to_f32(simd, source, bytes, first, count, goal.assumingMemoryBound(to: Float.self))
          } else if x.dtype == .f32 {
            hoof_row_from_f32(simd, target, bytes.assumingMemoryBound(to: Float.self) + first, count, goal)
          } else {
            hoof_row_to_f32(simd, source, bytes, first, count, line.baseAddress)
            hoof_row_from_f32(simd, target, line.baseAddress, count, goal)
          }
        }
      }
    }
  }

  public func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    Check.gatherRows(table, at: ids, into: out)
    guard out.rows > 0, out.columns > 0 else { return }
    let columns = out.columns, rowBytes = table.rowBytes
    let (base, chosen, target, type) = (UnsafeRawPointer(table.raw), ids.i32, out.f32, table.dtype.stored)
    parallelRows(out.rows, columns: columns) { rows in
      for row in rows {
        let id = Int(chosen[row])
        precondition(id >= 0 && id < table.rows, "gatherRows: id \(id) in a table of \(table.rows) rows")
        hoof_row_to_f32(simd, type, base + id * rowBytes, 0, columns, target + row * columns)
      }
    }
  }

  public func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor) {
    Check.copyRows(x, at: sources, into: out, at: targets)
    guard targets.rows > 0, x.columns > 0 else { return }
    let (from, into, rowBytes) = (UnsafeRawPointer(x.raw), out.raw, x.rowBytes)
    let (chosen, places) = (sources?.i32, targets.i32)
    parallel(targets.rows, grain: max(1, CPUBackend.bytesPerPiece / rowBytes)) { rows in
      for row in rows {
        let (source, target) = (chosen.map { Int($0[row]) } ?? row, Int(places[row]))
        precondition(source >= 0 && source < x.rows, "copyRows: row \(source) of \(x.rows)")
        precondition(target >= 0 && target < out.rows, "copyRows: row \(target) of \(out.rows)")
        memcpy(into + target * rowBytes, from + source * rowBytes, rowBytes)
      }
    }
  }

  /// Elements converted at a time: a multiple of every block, small enough for the stack and the first cache.
  private static var chunk: Int { 2048 }
  private static var bytesPerPiece: Int { 65_536 }
}
