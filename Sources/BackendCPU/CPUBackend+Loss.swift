import CKernels
import TensorCore

extension CPUBackend {
  public func crossEntropy(logits: Tensor, targets: Tensor, scale: Float, into losses: Tensor, dLogits: Tensor?) {
    Check.crossEntropy(logits: logits, targets: targets, into: losses, dLogits: dLogits)
    requireTargets(targets, below: logits.columns, "crossEntropy")
    parallelRows(logits.rows, columns: logits.columns) { rows in
      let start = rows.lowerBound * logits.columns
      hoof_cross_entropy(
        simd, logits.f32 + start, targets.i32 + rows.lowerBound, scale, losses.f32 + rows.lowerBound, dLogits.map { $0.f32 + start },
        rows.count, logits.columns)
    }
  }

  public func klDivergence(of p: Tensor, from q: Tensor, scale: Float, into divergences: Tensor, dQ: Tensor?) {
    Check.klDivergence(of: p, from: q, into: divergences, dQ: dQ)
    parallelRows(p.rows, columns: p.columns) { rows in
      let start = rows.lowerBound * p.columns
      hoof_kl_divergence(
        simd, p.f32 + start, q.f32 + start, scale, divergences.f32 + rows.lowerBound, dQ.map { $0.f32 + start }, rows.count, p.columns)
    }
  }

  /// As the default in ComputeBackend+Chunked, with one pass over the logits for all three results.
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    Check.linearDivergence(of: reference, from: hidden, weight: weight, targets: targets, into: rows)
    requireTargets(targets, below: weight.rows, "linearDivergence")
    let count = reference.rows
    guard count > 0 else { return }
    let chunk = min(max(1, rowsPerChunk), count)
    let changed = try Tensor(chunk, weight.rows, on: self)
    try forEachChunk(of: reference, weight: weight, rows: chunk) { part, original in
      let logits = changed.rows(0..<part.count)
      for first in stride(from: 0, to: hidden.rows, by: count) {
        let span = first + part.lowerBound..<first + part.upperBound
        matmul(hidden.rows(span), weight, transpose: .right, beta: 0, into: logits)
        compare(original, logits, targets: targets.rows(part), into: rows, at: span.lowerBound)
      }
    }
  }

  /// Results go to the rows from `first` on.
  private func compare(_ p: Tensor, _ q: Tensor, targets: Tensor, into out: DivergenceRows, at first: Int) {
    parallelRows(p.rows, columns: p.columns) { rows in
      let start = rows.lowerBound * p.columns
      let row = first + rows.lowerBound
      hoof_compare_rows(
        simd, p.f32 + start, q.f32 + start, targets.i32 + rows.lowerBound, out.divergences.f32 + row, out.losses.f32 + row,
        out.winners.i32 + row, rows.count, p.columns)
    }
  }

  private func requireTargets(_ targets: Tensor, below count: Int, _ op: StaticString) {
    for n in 0..<targets.rows { precondition(Int(targets.i32[n]) < count, "\(op): target \(targets.i32[n]) at \(n), \(count) columns") }
  }
}
