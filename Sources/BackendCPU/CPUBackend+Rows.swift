import TensorCore

extension CPUBackend {
  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) { preconditionFailure("not written yet") }
  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) { preconditionFailure("not written yet") }
  public func rowLogSumExp(_ x: Tensor, into out: Tensor) { preconditionFailure("not written yet") }
  public func rowArgmax(_ x: Tensor, into out: Tensor) { preconditionFailure("not written yet") }
  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) { preconditionFailure("not written yet") }
  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) { preconditionFailure("not written yet") }
}
