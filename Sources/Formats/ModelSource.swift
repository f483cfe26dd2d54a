import JSON
import TensorCore

/// A tensor in a mapped file: where its bytes are and how to read them. Vectors are one row.
public struct StoredTensor: Sendable {
  public let name: String
  public let dtype: DType
  public let shape: Shape
  public let file: MappedFile
  public let range: Range<Int>
}

/// What a model on disk says, whatever format holds it: a Hugging Face folder or a .hoof file. Everything is checked when this value exists:
/// every tensor the config needs is there, with the right shape, inside its file.
public struct ModelSource: Sendable {
  public let path: String
  public let config: LlamaConfig
  public let tensors: [String: StoredTensor]
  /// The bytes of tokenizer.json; nil when the model has none.
  public let tokenizer: [UInt8]?
  public let chatTemplate: String?
  /// Each cut that led here, oldest first; empty for an uncut model.
  public let history: [JSON]
  /// For each layer, its index in the model this one was cut from.
  public let originalLayers: [Int]
}
