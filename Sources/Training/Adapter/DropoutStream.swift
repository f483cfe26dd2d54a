import TensorCore

/// Where the seeds of dropout come from: a pure function of the run's seed, the step, the batch within the step and the place in the model. A
/// checkpoint that runs a layer again, and a run that goes on after a break, drop the very same values.
public struct DropoutStream: Sendable, Equatable {
  private let seed: UInt64

  /// - Parameters:
  ///   - step: counts from 1.
  ///   - batch: counts the batches of the step.
  public init(seed: UInt64, step: Int, batch: Int) {
    self.seed = [step, batch].reduce(seed) { SplitMix64.seed($0, for: UInt64(bitPattern: Int64($1))) }
  }

  func seed(site: Int) -> UInt64 { SplitMix64.number(UInt64(site), seed: seed) }
}
