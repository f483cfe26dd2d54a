import TensorCore

/// Jensen-Shannon divergence of two models' predictions, ½·KL(p ‖ m) + ½·KL(q ‖ m) with m = (p + q)/2, in nats, at most ln 2.
///
/// No backend has an op for it: ln m = ln(eᵃ + eᵇ) - ln 2 of the log-probabilities a and b is a `rowLogSumExp` over pairs (a, b), and a
/// constant changes no soft-max, so that `klDivergence` does the rest. The price: FinerCut's search takes 2.7 times as long as with KL (15.7 M
/// weights, 4096 words, CPU), most of it in the sums of pairs.
struct JensenShannon {
  private let rowsPerChunk: Int

  /// - Parameter rowsPerChunk: as of a study's plan; the scratch of one row is about eight times its logits.
  init(rowsPerChunk: Int) { self.rowsPerChunk = max(1, rowsPerChunk / 8) }

  /// - Parameters:
  ///   - hidden: [k·M, C], changed models after the final norm, row r against reference row r mod M.
  ///   - weight: [V, C], the LM head of both.
  /// - Returns: [k·M, 1]
  func rows(of reference: DivergenceReference, from hidden: Tensor, weight: Tensor) throws(BackendError) -> Tensor {
    let backend = hidden.backend
    let out = try Tensor(hidden.rows, 1, on: backend)
    let (count, chunk) = (reference.rows, min(rowsPerChunk, reference.rows))
    guard count > 0 else { return out }
    let scratch = try Scratch(rows: chunk, columns: weight.rows, on: backend)
    try backend.forEachChunk(of: reference, weight: weight, rows: chunk) { part, original in
      scratch.load(original, into: scratch.a)
      for first in stride(from: 0, to: hidden.rows, by: count) {
        let span = first + part.lowerBound..<first + part.upperBound
        let logits = scratch.logits.rows(0..<part.count)
        backend.matmul(hidden.rows(span), weight, transpose: .right, beta: 0, into: logits)
        scratch.load(logits, into: scratch.b)
        scratch.divergence(part.count, into: out.rows(span))
      }
    }
    return out
  }

  /// Memory of one chunk.
  private struct Scratch {
    let backend: any ComputeBackend
    /// [R, V]: changed logits, log-probabilities of both models, ln(p + q)
    let logits: Tensor, a: Tensor, b: Tensor, mixture: Tensor
    /// [R, V] of ones; [R·V, 2] with a one on the left or on the right; the pairs (a, b) and one half of them
    private let ones: Tensor, left: Tensor, right: Tensor, pairs: Tensor, half: Tensor
    private let sums: Tensor, second: Tensor

    init(rows: Int, columns: Int, on backend: any ComputeBackend) throws(BackendError) {
      self.backend = backend
      logits = try Tensor(rows, columns, on: backend)
      (a, b, mixture, ones) = (try logits.like(), try logits.like(), try logits.like(), try logits.like())
      left = try Tensor([1, 0], rows: 1, columns: 2, on: backend).repeated(rows * columns)
      right = try Tensor([0, 1], rows: 1, columns: 2, on: backend).repeated(rows * columns)
      (pairs, half) = (try left.like(), try left.like())
      (sums, second) = (try Tensor(rows, 1, on: backend), try Tensor(rows, 1, on: backend))
      backend.fill(ones, with: 1)
    }

    /// out = logits - ln Σ exp(logits)
    func load(_ logits: Tensor, into out: Tensor) {
      let (out, sums) = (out.rows(0..<logits.rows), sums.rows(0..<logits.rows))
      backend.rowLogSumExp(logits, into: sums)
      backend.copy(logits, into: out)
      let wide = mixture.rows(0..<logits.rows)
      backend.maskGroups(ones.rows(0..<logits.rows), by: sums, into: wide)
      backend.addScaled(wide, by: -1, into: out)
    }

    func divergence(_ rows: Int, into out: Tensor) {
      let (a, b, mixture) = (a.rows(0..<rows), b.rows(0..<rows), mixture.rows(0..<rows))
      let count = a.shape.count
      let (pairs, half) = (pairs.rows(0..<count), half.rows(0..<count))
      backend.maskGroups(left.rows(0..<count), by: a.reshaped(count, 1), into: pairs)
      backend.maskGroups(right.rows(0..<count), by: b.reshaped(count, 1), into: half)
      backend.addScaled(half, by: 1, into: pairs)
      backend.rowLogSumExp(pairs, into: mixture.reshaped(count, 1))
      let second = second.rows(0..<rows)
      backend.fill(out, with: 0)
      for log in [a, b] {
        backend.klDivergence(of: log, from: mixture, scale: 1, into: second, dQ: nil)
        backend.addScaled(second, by: 0.5, into: out)
      }
    }
  }
}
