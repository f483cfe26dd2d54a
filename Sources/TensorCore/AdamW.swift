/// One step of AdamW (arXiv 1711.05101): bias-corrected moments, decoupled decay. `step` counts from 1.
public struct AdamW: Sendable {
  public var rate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, gradientScale: Float
  public var step: Int
  public var rounding: Rounding

  public init(
    rate: Float, beta1: Float = 0.9, beta2: Float = 0.95, epsilon: Float = 1e-8, decay: Float = 0, gradientScale: Float = 1, step: Int,
    rounding: Rounding = .nearest
  ) {
    self.rate = rate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decay = decay
    self.gradientScale = gradientScale
    self.step = step
    self.rounding = rounding
  }

  /// How a bf16 or f16 parameter without a master takes its new value. One that is f32 or has a master is not concerned: a master's copy is
  /// always the nearest.
  public enum Rounding: Sendable, Equatable {
    /// Steps below half a unit in the last place are lost.
    case nearest
    /// Away from zero with the probability of what truncating would drop, so that the expected value is the exact one (arXiv 1502.02551,
    /// 2010.06192): element i goes up when the 24 upper bits of `CounterHash(seed:).bits(i)`, as a fraction, are below that share.
    case stochastic(seed: UInt64)
  }
}
