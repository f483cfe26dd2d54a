import TensorCore

extension CPUBackend {
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) { preconditionFailure("not written yet") }
}
