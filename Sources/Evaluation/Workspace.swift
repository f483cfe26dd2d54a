import Formats
import TensorCore

extension LlamaConfig {
  /// Bytes alive at once per row of a batch that goes through the layers: two residual streams, and activations.
  public func workspacePerRow(activations: DType = .f32) -> Int {
    let widest = layers.map { max(3 * ($0.queryHeads + $0.keyHeads) * headDim, 3 * $0.intermediateSize) }.max() ?? 0
    return 4 * 2 * hiddenSize + activations.block.bytes * (2 * hiddenSize + widest)
  }
}
