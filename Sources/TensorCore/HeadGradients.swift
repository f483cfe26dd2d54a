/// What the gradient of some rows of logits goes into: hidden rows [N, C] and LM head [V, C] of logits = hidden·weightᵀ. With bf16 rows it is
/// rounded to bf16 for the two products.
struct HeadGradients {
  /// Not the tensors' own: a decorator hands its tensors to the backend it stands around, whose inner products are not to be counted.
  private let backend: any ComputeBackend
  private let hidden: Tensor, weight: Tensor
  private let dHidden: Tensor?, dWeight: Tensor?
  /// [rowsPerChunk, V]; nil where gradients are multiplied as they are.
  private let rounded: Tensor?

  /// - Parameters:
  ///   - dHidden: shaped like `hidden`, written; nil where nobody wants it.
  ///   - dWeight: [V, C] f32, accumulated into.
  init(
    on backend: any ComputeBackend, hidden: Tensor, weight: Tensor, dHidden: Tensor?, dWeight: Tensor?, rowsPerChunk: Int
  ) throws(BackendError) {
    self.backend = backend
    (self.hidden, self.weight, self.dHidden, self.dWeight) = (hidden, weight, dHidden, dWeight)
    let isRounded = hidden.dtype != .f32 && (dHidden != nil || dWeight != nil)
    rounded = isRounded ? try Tensor(rowsPerChunk, weight.rows, hidden.dtype, on: backend) : nil
  }

  /// - Parameter dLogits: of the rows `part`, [R, V] f32.
  func take(_ dLogits: Tensor, _ part: Range<Int>) {
    var gradient = dLogits
    if let rounded {
      gradient = rounded.rows(0..<part.count)
      backend.copy(dLogits, into: gradient)
    }
    if let dHidden { backend.matmul(gradient, weight, transpose: .none, beta: 0, into: dHidden.rows(part)) }
    if let dWeight { backend.matmul(gradient, hidden.rows(part), transpose: .left, beta: 1, into: dWeight) }
  }
}
