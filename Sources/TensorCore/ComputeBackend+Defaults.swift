/// What a backend is unless it says otherwise: f32 throughout, weights as they are stored, no size of batch it needs, products one by one.
/// Requirements with a body, not mere extension methods: those would ignore a backend's own when it is called through `any`.
extension ComputeBackend {
  public var activations: DType { .f32 }
  public func weights(storedAs dtype: DType) -> DType { activations == .bf16 && (dtype == .f32 || dtype == .f16) ? .bf16 : dtype }
  public var usefulRows: Int? { nil }
  public func matmuls(_ a: Tensor, _ weights: [Tensor], into outs: [Tensor]) {
    precondition(weights.count == outs.count, "matmuls: \(weights.count) weights, \(outs.count) results")
    for (weight, out) in zip(weights, outs) { matmul(a, weight, transpose: .right, beta: 0, into: out) }
  }
}
