/// SplitMix64 (Steele, Lea and Flood 2014): the same seed gives the same numbers on every machine. Any number of the sequence can be had at
/// once, so that a run that goes on somewhere need not repeat what came before.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64
  private static let step: UInt64 = 0x9e37_79b9_7f4a_7c15

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= SplitMix64.step
    return SplitMix64.mix(state)
  }

  /// Number `index` of the sequence of `seed`, from 0.
  public static func number(_ index: UInt64, seed: UInt64) -> UInt64 { mix(seed &+ (index &+ 1) &* step) }

  /// A seed for one of several independent uses of a seed.
  public static func seed(_ seed: UInt64, for use: UInt64) -> UInt64 { mix(mix(seed &+ step) ^ mix(use)) }

  /// Number `index` of the sequence as one in 0..<1, with 53 random bits.
  public static func fraction(_ index: UInt64, seed: UInt64) -> Double { Double(number(index, seed: seed) >> 11) * 0x1p-53 }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
