import TensorCore

extension CPUBackend {
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) { preconditionFailure("not written yet") }
}
