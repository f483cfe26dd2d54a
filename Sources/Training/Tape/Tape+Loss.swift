import TensorCore

extension Tape {
  /// Cross-entropy of the next token, hidden [N, C] (after the final norm) against the LM head [V, C], whose gradients are made in the same
  /// pass over the logits: the loss seeds the tape at once, and [N, V] never exists.
  /// - Parameters:
  ///   - targets: [N, 1] i32; a negative one is not scored.
  ///   - scale: what the gradients are of: scale · Σ losses. 1 / (scored tokens) for their mean.
  /// - Returns: -ln p of each target, [N, 1], unscaled.
  public func crossEntropy(
    of hidden: Variable, head: Variable, targets: Tensor, scale: Float, rowsPerChunk: Int
  ) throws(BackendError) -> Tensor {
    let rows = hidden.tensor
    let backend = rows.backend
    let losses = try Tensor(rows.rows, 1, on: backend)
    let dHidden = hidden.isRecorded ? try rows.like() : nil
    try backend.linearCrossEntropy(
      hidden: rows, weight: head.tensor, targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
      dWeight: zeroed(head.slot, on: backend))
    if let dHidden { try pass(Gradient(tensor: dHidden, isShared: false), to: hidden.slot) }
    return losses
  }
}
