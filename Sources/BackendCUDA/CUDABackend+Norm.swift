import TensorCore

extension CUDABackend {
  public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    Check.rmsNorm(x, weight: weight, into: out, inverseRMS: inverseRMS)
    let teams = RowTeams(columns: x.columns, most: 512)
    launch(
      .norm, "hoof_rms_norm_\(out.dtype.name)", grid: teams.grid(x.rows), threads: teams.threads, x.pointer, weight.pointer, epsilon,
      out.pointer, inverseRMS.pointer, Int64(x.rows), Int64(x.columns), teams.argument)
  }

  public func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    Check.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    guard x.rows > 0 else { return }
    let teams = RowTeams(columns: x.columns, most: 512)
    // Two blocks for each multiprocessor of the largest devices; each leaves one line of dWeight behind.
    let rowsPerTeam = x.rows.dividedUp(by: 264)
    let count = x.rows.dividedUp(by: rowsPerTeam)
    let backward = { (parts: UInt64) in
      self.launch(
        .norm, "hoof_rms_norm_backward_\(dOut.dtype.name)", grid: teams.grid(count), threads: teams.threads, dOut.pointer, x.pointer,
        weight.pointer, inverseRMS.pointer, dx.pointer, parts, Int64(x.rows), Int64(x.columns), Int32(rowsPerTeam), teams.argument)
    }
    guard let dWeight else { return backward(0) }
    withScratch(byteCount: 4 * count * x.columns) { parts in
      backward(parts)
      mergeParts(parts, count: count, beta: 1, into: dWeight)
    }
  }
}
