import Formats
import TensorCore
import Transformer

/// A tensor that can be trained, under the name it has in a model file.
public struct Parameter: Sendable {
  public let name: String
  public let tensor: Tensor
}

extension DecoderLayer {
  /// In the order of the forward pass; a cut sublayer has none but its shortcut.
  public var parameters: [Parameter] {
    let tensors: [(TensorName.Part, Tensor?)] = [
      (.patch, patch?.tensor), (.attentionNorm, attention?.norm), (.query, attention?.query), (.key, attention?.key),
      (.value, attention?.value),
      (.attentionOutput, attention?.output), (.attentionShortcut, attentionShortcut), (.mlpNorm, mlp?.norm), (.gate, mlp?.gate),
      (.up, mlp?.up), (.down, mlp?.down),
      (.mlpShortcut, mlpShortcut),
    ]
    return tensors.compactMap { part, tensor in tensor.map { Parameter(name: TensorName.layer(index, part), tensor: $0) } }
  }
}

extension Llama {
  /// Every parameter in the order of the forward pass; a tied head is the embedding and not listed.
  public var parameters: [Parameter] {
    [Parameter(name: TensorName.embedding, tensor: embedding)] + layers.flatMap(\.parameters)
      + (finalPatch.map { [Parameter(name: TensorName.finalPatch, tensor: $0.tensor)] } ?? [])
      + [Parameter(name: TensorName.finalNorm, tensor: finalNorm)]
      + (config.tiedEmbeddings ? [] : [Parameter(name: TensorName.head, tensor: head)])
  }
}
