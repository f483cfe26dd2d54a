import TensorCore

extension CPUBackend {
  public func adamW(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, master: Tensor?, _ update: AdamW) { preconditionFailure("not written yet") }
}
