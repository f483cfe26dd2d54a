import CKernels
import TensorCore

extension CPUBackend {
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    Check.rope(x, positions: positions, frequencies: frequencies, shape, into: out)
    guard x.rows > 0 else { return }
    let slots = UnsafeBufferPointer(start: UnsafePointer(positions.i32), count: x.rows)
    let rates = UnsafeBufferPointer(start: UnsafePointer(frequencies.f32), count: frequencies.columns)
    let heads = x.columns / shape.headDim

    if let lowest = slots.min(), let highest = slots.max(), lowest >= 0, Int(highest) < RopeTable.mostPositions {
      rotations.table(rates, covering: Int(highest) + 1).values.withUnsafeBufferPointer { table in
        parallelRows(x.rows, columns: x.columns) { rows in
          let start = rows.lowerBound * x.columns
          hoof_rope(
            simd, x.f32 + start, positions.i32 + rows.lowerBound, 0, table.baseAddress, shape.interleaved, inverse, out.f32 + start,
            rows.count, heads, shape.headDim)
        }
      }
      return
    }
    withScratch(bytes: x.rows * shape.headDim * MemoryLayout<Float>.stride) { scratch in
      let table = scratch.assumingMemoryBound(to: Float.self)
      parallelRows(x.rows, columns: x.columns) { rows in
        for row in rows { RopeTable.fill(table + row * shape.headDim, position: slots[row], rates) }
        let start = rows.lowerBound * x.columns
        hoof_rope(
          simd, x.f32 + start, nil, 0, table + rows.lowerBound * shape.headDim, shape.interleaved, inverse, out.f32 + start, rows.count,
          heads, shape.headDim)
      }
    }
  }
}
