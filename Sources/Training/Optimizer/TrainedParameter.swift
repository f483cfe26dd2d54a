import TensorCore

/// A tensor that is trained: what the forward pass computes with, and where its exact value is kept when that one is rounded.
public struct TrainedParameter: Sendable {
  /// The name it has in a model file or an adapter.
  public let name: String
  /// Dense, in memory that may be written.
  public let tensor: Tensor
  /// f32, of the tensor's shape; the tensor is its rounded copy.
  public let master: Tensor?

  public init(name: String, tensor: Tensor, master: Tensor? = nil) {
    self.name = name
    self.tensor = tensor
    self.master = master
  }

  /// What is saved, and what a step changes: the master, or the tensor itself.
  public var value: Tensor { master ?? tensor }
}
