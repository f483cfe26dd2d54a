/// Losses over the LM head, written once for all backends: matmul and row kernels over chunks of rows, so that no [N, V] exists.
extension ComputeBackend {
  public func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    try chunkedLinearDivergence(of: reference, from: hidden, weight: weight, targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
  }

  public func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    try chunkedLinearCrossEntropy(
      hidden: hidden, weight: weight, targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
      dWeight: dWeight)
  }

  /// The body of `linearDivergence`, for backends that fuse only some cases and for decorators.
  public func chunkedLinearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    Check.linearDivergence(of: reference, from: hidden, weight: weight, targets: targets, into: rows)
    let count = reference.rows
    guard count > 0 else { return }
    let chunk = min(rowsPerChunk, count)
    let changed = try Tensor(chunk, weight.rows, on: self)
    try forEachChunk(of: reference, weight: weight, rows: chunk) { part, original in
      let logits = changed.rows(0..<part.count)
      for first in stride(from: 0, to: hidden.rows, by: count) {
        let span = first + part.lowerBound..<first + part.upperBound
        matmul(hidden.rows(span), weight, transpose: .right, beta: 0, into: logits)
        klDivergence(of: original, from: logits, scale: 1, into: rows.divergences.rows(span), dQ: nil)
        crossEntropy(logits: logits, targets: targets.rows(part), scale: 1, into: rows.losses.rows(span), dLogits: nil)
        rowArgmax(logits, into: rows.winners.rows(span))
      }
    }
  }

  /// What the reference says, `rows` rows at a time [R, V]: kept logits as they are, others recomputed from its hidden rows into one buffer.
  public func forEachChunk(
    of reference: DivergenceReference, weight: Tensor, rows: Int, _ body: (Range<Int>, Tensor) -> Void
  ) throws(BackendError) {
    var recomputed: Tensor?
    if case .hidden = reference { recomputed = try Tensor(min(rows, reference.rows), weight.rows, on: self) }
    for start in stride(from: 0, to: reference.rows, by: rows) {
      let part = start..<min(start + rows, reference.rows)
      switch reference {
      case .logits(let logits): body(part, logits.rows(part))
      case .hidden(let states):
        let logits = recomputed!.rows(0..<part.count)
        matmul(states.rows(part), weight, transpose: .right, beta: 0, into: logits)
        body(part, logits)
      }
    }
  }

  /// The body of `linearCrossEntropy`.
  public func chunkedLinearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    Check.linearCrossEntropy(hidden: hidden, weight: weight, targets: targets, into: losses, dHidden: dHidden, dWeight: dWeight)
    guard hidden.rows > 0 else { return }
    let chunk = min(rowsPerChunk, hidden.rows)
    let wanted = dHidden != nil || dWeight != nil
    let scratch = try Tensor(chunk, weight.rows, on: self)
    let back = try HeadGradients(on: self, hidden: hidden, weight: weight, dHidden: dHidden, dWeight: dWeight, rowsPerChunk: chunk)
    for start in stride(from: 0, to: hidden.rows, by: chunk) {
      let part = start..<min(start + chunk, hidden.rows)
      let logits = scratch.rows(0..<part.count)
      matmul(hidden.rows(part), weight, transpose: .right, beta: 0, into: logits)
      crossEntropy(
        logits: logits, targets: targets.rows(part), scale: scale, into: losses.rows(part), dLogits: wanted ? logits : nil)
      back.take(logits, part)
    }
  }
}
