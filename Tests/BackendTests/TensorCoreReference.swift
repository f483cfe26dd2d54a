import TensorCore
import TensorTesting

/// The bf16 reference with what a GPU's tensor cores add to it: they multiply bf16 with bf16 only, so weights of other types, and the logits'
/// gradient, are rounded on their way in. Shows that the limits of `OpCatalogue.mixed` leave room for that.
final class TensorCoreReference: BackendDecorator {
  let base: any ComputeBackend = ReferenceBackend(activations: .bf16)
  let name = "reference, weights rounded to bf16"

  private func rounded(_ weight: Tensor) -> Tensor {
    guard weight.dtype != .bf16, let out = try? Tensor(weight.rows, weight.columns, .bf16, on: self) else { return weight }
    base.copy(weight, into: out)
    return out
  }

  func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    base.matmul(a, a.dtype == .bf16 ? rounded(b) : b, transpose: transpose, beta: beta, into: out)
  }

  func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    try chunkedLinearDivergence(
      of: reference, from: hidden, weight: rounded(weight), targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
  }

  func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    try chunkedLinearCrossEntropy(
      hidden: hidden, weight: rounded(weight), targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
      dWeight: dWeight)
  }
}
