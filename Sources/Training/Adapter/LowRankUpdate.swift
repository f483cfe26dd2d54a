import TensorCore

/// What an adapter adds to one product: scale·(drop(x)·Aᵀ)·Bᵀ. Of the forward pass it keeps [N, r], and x where A's gradient is wanted; what
/// was dropped is dropped again from the same seed.
struct LowRankUpdate {
  private let pair: Adapter.Pair
  private let a: Tape.Slot, b: Tape.Slot
  /// The product's input, undropped; nil when nobody wants A's gradient.
  private let rows: Tensor?
  /// scale·drop(x)·Aᵀ, [N, r]
  private let hidden: Tensor
  private let noise: Noise?

  private struct Noise {
    let keeping: Float
    let seed: UInt64

    func dropped(_ x: Tensor, into out: Tensor) { x.backend.dropout(x, keeping: keeping, seed: seed, into: out) }
  }

  /// x [N, in] is an activation.
  init(_ x: Tensor, _ pair: Adapter.Pair, dropping share: Double, on tape: Tape) throws(BackendError) {
    self.pair = pair
    (a, b) = (tape.parameter(pair.a.tensor).slot, tape.parameter(pair.b.tensor).slot)
    rows = a.isWanted ? x : nil
    noise = share > 0 ? tape.dropout.map { Noise(keeping: Float(1 - share), seed: $0.seed(site: pair.site)) } : nil
    hidden = try LowRankUpdate.dropped(x, by: noise).linear(pair.a.tensor, as: x.dtype)
    scale(hidden)
  }

  /// Whether a gradient goes to A or B.
  var isWanted: Bool { a.isWanted || b.isWanted }

  /// out [N, out] of the product itself.
  func add(to out: Tensor) { out.backend.matmul(hidden, pair.b.tensor, transpose: .right, beta: 1, into: out) }

  /// dOut [N, out] of x's type. Adds to the gradients of A, of B, and of x, [N, in], if somebody wants that.
  func backward(_ dOut: Tensor, to x: Tape.Slot, on tape: Tape) throws(BackendError) {
    let backend = dOut.backend
    let dHidden = try Tensor(dOut.rows, hidden.columns, dOut.dtype, on: backend)
    backend.matmul(dOut, pair.b.tensor, transpose: .none, beta: 0, into: dHidden)
    scale(dHidden)
    if let (dB, beta) = try tape.destination(for: b, on: backend, as: .f32) {
      backend.matmul(dOut, hidden, transpose: .left, beta: beta, into: dB)
    }
    if let rows, let (dA, beta) = try tape.destination(for: a, on: backend, as: .f32) {
      backend.matmul(dHidden, try LowRankUpdate.dropped(rows, by: noise), transpose: .left, beta: beta, into: dA)
    }
    guard let (dx, beta) = try tape.destination(for: x, on: backend) else { return }
    guard let noise else { return backend.matmul(dHidden, pair.a.tensor, transpose: .none, beta: beta, into: dx) }
    let part = try dx.like()
    backend.matmul(dHidden, pair.a.tensor, transpose: .none, beta: 0, into: part)
    noise.dropped(part, into: beta == 0 ? dx : part)
    if beta != 0 { backend.add(dx, part, into: dx) }
  }

  private func scale(_ rows: Tensor) {
    if let scales = pair.scales { rows.backend.multiply(rows, scales, into: rows) }
  }

  private static func dropped(_ x: Tensor, by noise: Noise?) throws(BackendError) -> Tensor {
    guard let noise else { return x }
    let out = try x.like()
    noise.dropped(x, into: out)
    return out
  }
}
