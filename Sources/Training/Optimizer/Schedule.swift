import Glibc

/// The learning rate of each step: a linear warm-up to the peak, then constant, or down to the floor along a line or half a cosine.
///
/// The numbers are those of transformers' `get_constant_schedule_with_warmup`, `get_linear_schedule_with_warmup`,
/// `get_cosine_schedule_with_warmup` and, with a floor, `get_cosine_with_min_lr_schedule_with_warmup`. They count steps from 0, so their
/// off-by-ones are here too: with w > 0 steps of warm-up the first step has rate 0, which changes no weight, step w + 1 is the first at the
/// peak, and the last step of n is one short of the floor, which step n + 1 would reach.
public struct Schedule: Sendable, Equatable {
  public enum Kind: String, CaseIterable, Sendable { case constant, linear, cosine }

  public var kind: Kind
  public var peak: Double
  /// Share of the peak that a linear or cosine schedule ends at, 0 ... 1; a constant one never falls.
  public var floor: Double
  /// Steps before the peak.
  public var warmUp: Int
  /// Steps of the whole run, warm-up included.
  public var steps: Int

  public init(_ kind: Kind, peak: Double, floor: Double = 0, warmUp: Int = 0, steps: Int) {
    self.kind = kind
    self.peak = peak
    self.floor = floor
    self.warmUp = warmUp
    self.steps = steps
  }

  /// - Parameter step: counts from 1; behind the last the floor stays.
  public func rate(step: Int) -> Double {
    let done = step - 1
    if done < warmUp { return peak * Double(done) / Double(warmUp) }
    let progress = min(Double(done - warmUp) / Double(max(1, steps - warmUp)), 1)
    return switch kind {
    case .constant: peak
    case .linear: peak * (floor + (1 - floor) * (1 - progress))
    case .cosine: peak * (floor + (1 - floor) * 0.5 * (1 + cos(.pi * progress)))
    }
  }
}
