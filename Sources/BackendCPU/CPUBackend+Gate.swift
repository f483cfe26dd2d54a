import TensorCore

extension CPUBackend {
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) { preconditionFailure("not written yet") }
  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) { preconditionFailure("not written yet") }
  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) { preconditionFailure("not written yet") }
  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) { preconditionFailure("not written yet") }
}
