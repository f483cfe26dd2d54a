import TensorCore

extension CPUBackend {
  public func attention(q: Tensor, k: Tensor, v: Tensor, _ spans: Spans, _ shape: AttentionShape, into out: Tensor, logSumExp: Tensor) { preconditionFailure("not written yet") }
  public func attentionBackward(_ dOut: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ spans: Spans, _ shape: AttentionShape, dq: Tensor, dk: Tensor, dv: Tensor) { preconditionFailure("not written yet") }
}
