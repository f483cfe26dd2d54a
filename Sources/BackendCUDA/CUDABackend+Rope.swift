import TensorCore

extension CUDABackend {
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    Check.rope(x, positions: positions, frequencies: frequencies, shape, into: out)
    guard x.shape.count > 0 else { return }
    // Several narrow rows a block, as long as there are blocks enough.
    let rowsPerBlock = max(1, min(8, 8192 / x.columns, x.rows / 512))
    launch(
      .rope, "hoof_rope_\(shape.interleaved ? "pairs" : "halves")_\(x.dtype.name)_\(out.dtype.name)",
      grid: Grid(x: x.rows.dividedUp(by: rowsPerBlock)), threads: 256,
      shared: rowsPerBlock * shape.headDim / 2 * MemoryLayout<SIMD2<Float>>.size, x.pointer, positions.pointer, frequencies.pointer,
      out.pointer, Int64(x.rows), Int32(x.columns / shape.headDim), Int32(shape.headDim), Int32(inverse ? 1 : 0), Int32(rowsPerBlock))
  }
}
