/// Where the seeds of dropout come from: a pure function of the run's seed, the step, the batch within the step and the place in the model. A
/// checkpoint that runs a layer again, and a run that goes on after a break, drop the very same values.
public struct DropoutStream: Sendable, Equatable {
  private let state: UInt64

  /// - Parameters:
  ///   - step: counts from 1.
  ///   - batch: counts the batches of the step.
  public init(seed: UInt64, step: Int, batch: Int) {
    var state = seed
    for number in [step, batch] { state = DropoutStream.mixed(state &+ 0x9e37_79b9_7f4a_7c15 &* (UInt64(truncatingIfNeeded: number) &+ 1)) }
    self.state = state
  }

  func seed(site: Int) -> UInt64 {
    DropoutStream.mixed(state &+ 0x9e37_79b9_7f4a_7c15 &* (UInt64(truncatingIfNeeded: site) &+ 1))
  }

  /// SplitMix64's finaliser: a bijection after which every bit depends on every bit.
  static func mixed(_ number: UInt64) -> UInt64 {
    var z = number
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
