/// Bits that look random and are a function of a seed and an element's number, so that every backend, and every cut of the work into pieces,
/// draws the same ones: for dropout and for stochastic rounding.
///
///     keys = the halves of SplitMix64's finalizer of the seed
///     bits(i) = mix(mix(low half of i ^ first key) + second key + 0x9e3779b9 · high half of i)
///
/// with mix the 32-bit finalizer of least bias known (C. Wellons, "Prospecting for hash functions", 2018: 0x7feb352d, 0x846ca68b). For one
/// seed the bits of 2³² consecutive elements are a permutation: each value once.
public struct CounterHash: Sendable {
  /// What kernels are given.
  public let first: UInt32, second: UInt32

  public init(seed: UInt64) {
    var z = seed &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    z ^= z >> 31
    (first, second) = (UInt32(truncatingIfNeeded: z), UInt32(truncatingIfNeeded: z >> 32))
  }

  public func bits(_ index: Int) -> UInt32 {
    let wide = UInt64(index)
    let low = CounterHash.mix(UInt32(truncatingIfNeeded: wide) ^ first)
    return CounterHash.mix(low &+ second &+ UInt32(truncatingIfNeeded: wide >> 32) &* 0x9e37_79b9)
  }

  private static func mix(_ bits: UInt32) -> UInt32 {
    var x = bits
    x = (x ^ x >> 16) &* 0x7feb_352d
    x = (x ^ x >> 15) &* 0x846c_a68b
    return x ^ x >> 16
  }
}

/// Which elements dropout keeps: those whose 24 upper bits, as a fraction, are below the share that is kept.
public struct DropoutRule: Sendable {
  public let hash: CounterHash
  /// keeping · 2²⁴, rounded; at 2²⁴ everything is kept.
  public let threshold: UInt32
  /// 1 / keeping, rounded to f32.
  public let scale: Float

  /// - Parameter keeping: above 0, at most 1.
  public init(keeping: Float, seed: UInt64) {
    precondition(keeping > 0 && keeping <= 1, "dropout: cannot keep a share of \(keeping)")
    hash = CounterHash(seed: seed)
    threshold = UInt32((keeping * 0x1p24).rounded())
    scale = 1 / keeping
  }

  public func keeps(_ index: Int) -> Bool { hash.bits(index) >> 8 < threshold }
}
