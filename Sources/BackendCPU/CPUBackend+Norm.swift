import CKernels
import TensorCore

extension CPUBackend {
  public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    Check.rmsNorm(x, weight: weight, into: out, inverseRMS: inverseRMS)
    parallelRows(x.rows, columns: x.columns) { rows in
      let start = rows.lowerBound * x.columns
      hoof_rms_norm(
        simd, x.f32 + start, weight.f32, epsilon, out.f32 + start, inverseRMS.f32 + rows.lowerBound, rows.count, x.columns)
    }
  }

  public func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    Check.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    let columns = x.columns
    let backward = { (rows: Range<Int>, sums: UnsafeMutablePointer<Float>?) in
      let start = rows.lowerBound * columns
      hoof_rms_norm_backward(
        self.simd, dOut.f32 + start, x.f32 + start, weight.f32, inverseRMS.f32 + rows.lowerBound, dx.f32 + start, sums, rows.count, columns)
    }
    guard let dWeight else { return parallelRows(x.rows, columns: columns) { backward($0, nil) } }
    withColumnParts(rows: x.rows, columns: columns, width: columns) { rows, part in
      part.update(repeating: 0, count: columns)
      backward(rows, part)
    } combine: { parts, count in
      combineSums(parts, count: count, stride: columns, beta: 1, into: dWeight.f32, columns: columns)
    }
  }
}
