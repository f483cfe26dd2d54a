import TensorCore

extension CUDABackend {
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) {
    Check.swiGLU(gate, up, out)
    launch(
      .gate, "hoof_swiglu_\(gate.dtype.name)", grid: CUDABackend.elements(gate.shape.count), threads: CUDABackend.elementThreads,
      gate.pointer, up.pointer, out.pointer, Int64(gate.shape.count))
  }

  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    Check.swiGLU(dOut, gate, up, dGate, dUp)
    launch(
      .gate, "hoof_swiglu_backward_\(gate.dtype.name)", grid: CUDABackend.elements(gate.shape.count),
      threads: CUDABackend.elementThreads, dOut.pointer, gate.pointer, up.pointer, dGate.pointer, dUp.pointer, Int64(gate.shape.count))
  }

  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    Check.maskGroups(x, by: mask, into: out)
    scaleGroups(x, by: mask, into: out)
  }

  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    Check.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
    guard let dMask else { return scaleGroups(dOut, by: mask, into: dx) }
    guard x.shape.count > 0 else { return }
    let width = x.columns / mask.columns
    if mask.rows == x.rows {
      maskRunsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask, width: width)
    } else {
      sharedMaskBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask, width: width)
    }
  }

  /// Groups of one column are a product.
  private func scaleGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    guard x.columns > mask.columns else { return combine("multiply", x, mask, into: out) }
    launch(
      .gate, "hoof_mask_groups_\(x.dtype.name)", grid: CUDABackend.elements(x.shape.count), threads: CUDABackend.elementThreads,
      x.pointer, mask.pointer, out.pointer, Int64(x.shape.count), UInt32(x.columns / mask.columns),
      UInt32(mask.rows == x.rows ? 0 : mask.columns))
  }

  /// Each value of the mask scales one run of `width` elements: up to 32 lanes have it.
  private func maskRunsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor, width: Int) {
    let packet = 16 / x.dtype.block.bytes
    var lanes = 1
    while lanes < 32, lanes * packet < width { lanes *= 2 }
    let threads = 256
    launch(
      .gate, "hoof_mask_groups_backward_\(x.dtype.name)", grid: Grid(x: mask.shape.count.dividedUp(by: threads / lanes)),
      threads: threads, dOut.pointer, x.pointer, mask.pointer, dx.pointer, dMask.pointer, Int64(mask.shape.count), Int64(width),
      Int32(lanes))
  }

  private func sharedMaskBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor, width: Int) {
    let cut = ColumnParts(x)
    withScratch(byteCount: 4 * cut.parts * x.columns) { parts in
      launch(
        .gate, "hoof_mask_groups_backward_shared_\(x.dtype.name)", grid: cut.grid, threads: ColumnParts.threads, dOut.pointer, x.pointer,
        mask.pointer, dx.pointer, parts, Int64(x.rows), Int64(x.columns), UInt32(width))
      launch(
        .gate, "hoof_merge_groups", grid: Grid(x: mask.columns.dividedUp(by: 8)), threads: 256, parts, Int32(cut.parts),
        Int64(x.columns), UInt32(width), dMask.pointer, Int32(mask.columns))
    }
  }
}
