import CKernels
import TensorCore

extension CPUBackend {
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) {
    Check.swiGLU(gate, up, out)
    parallel(gate.shape.count, grain: elementGrain / 2) { part in
      hoof_swiglu(simd, gate.f32 + part.lowerBound, up.f32 + part.lowerBound, out.f32 + part.lowerBound, part.count)
    }
  }

  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    Check.swiGLU(dOut, gate, up, dGate, dUp)
    parallel(gate.shape.count, grain: elementGrain / 2) { part in
      let at = part.lowerBound
      hoof_swiglu_backward(simd, dOut.f32 + at, gate.f32 + at, up.f32 + at, dGate.f32 + at, dUp.f32 + at, part.count)
    }
  }

  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    Check.maskGroups(x, by: mask, into: out)
    let groups = mask.columns
    let stride = CPUBackend.maskStride(mask, for: x)
    parallelRows(x.rows, columns: x.columns) { rows in
      let start = rows.lowerBound * x.columns
      hoof_mask_groups(
        simd, x.f32 + start, mask.f32 + rows.lowerBound * stride, stride, out.f32 + start, rows.count, groups, x.columns / groups)
    }
  }

  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    Check.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
    let groups = mask.columns
    let stride = CPUBackend.maskStride(mask, for: x)
    let backward = { (rows: Range<Int>, sums: UnsafeMutablePointer<Float>?, sumStride: Int) in
      let start = rows.lowerBound * x.columns
      hoof_mask_groups_backward(
        self.simd, dOut.f32 + start, x.f32 + start, mask.f32 + rows.lowerBound * stride, stride, dx.f32 + start, sums, sumStride,
        rows.count,
        groups, x.columns / groups)
    }
    guard let dMask, stride == 0 else {
      return parallelRows(x.rows, columns: x.columns) { rows in
        backward(rows, dMask.map { $0.f32 + rows.lowerBound * groups }, groups)
      }
    }
    withColumnParts(rows: x.rows, columns: x.columns, width: groups) { rows, part in
      part.update(repeating: 0, count: groups)
      backward(rows, part, 0)
    } combine: { parts, count in
      combineSums(parts, count: count, stride: groups, beta: 1, into: dMask.f32, columns: groups)
    }
  }

  /// One mask row serves all rows of x unless each has its own.
  private static func maskStride(_ mask: Tensor, for x: Tensor) -> Int { mask.rows == 1 ? 0 : mask.columns }
}
