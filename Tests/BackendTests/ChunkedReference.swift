import TensorCore
import TensorTesting

/// The reference with the protocol's own chunked `linearDivergence` and `linearCrossEntropy` in place of its definitions: shows that the
/// chunking, which every backend without fused losses uses, is right by itself.
final class ChunkedReference: BackendDecorator {
  let base: any ComputeBackend
  let name = "reference, chunked losses"

  init(activations: DType = .f32) { base = ReferenceBackend(activations: activations) }

  func linearDivergence(
    of reference: DivergenceReference, from hidden: Tensor, weight: Tensor, targets: Tensor, rowsPerChunk: Int, into rows: DivergenceRows
  ) throws(BackendError) {
    try chunkedLinearDivergence(of: reference, from: hidden, weight: weight, targets: targets, rowsPerChunk: rowsPerChunk, into: rows)
  }

  func linearCrossEntropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, scale: Float, rowsPerChunk: Int, into losses: Tensor, dHidden: Tensor?,
    dWeight: Tensor?
  ) throws(BackendError) {
    try chunkedLinearCrossEntropy(
      hidden: hidden, weight: weight, targets: targets, scale: scale, rowsPerChunk: rowsPerChunk, into: losses, dHidden: dHidden,
      dWeight: dWeight)
  }
}
