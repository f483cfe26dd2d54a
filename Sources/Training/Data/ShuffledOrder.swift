import TensorCore

/// A permutation of 0..<count that is looked up, not stored: a Feistel network over the next even number of bits, walked until it lands inside
/// (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002). A run that is resumed in a late epoch need not shuffle the earlier ones.
struct ShuffledOrder: Sendable {
  let count: Int
  private let seed: UInt64
  private let halfBits: UInt64

  private static let rounds: UInt64 = 6

  init(count: Int, seed: UInt64) {
    precondition(count > 0, "order of \(count)")
    (self.count, self.seed) = (count, seed)
    // Two bits at least; fewer than 4·count values, so that a walk takes four steps on average at most.
    halfBits = max(1, UInt64(Int.bitWidth - (count - 1).leadingZeroBitCount + 1) / 2)
  }

  /// What stands at `place`.
  subscript(place: Int) -> Int {
    precondition(place >= 0 && place < count, "order: place \(place) of \(count)")
    var value = UInt64(place)
    repeat { value = permuted(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func permuted(_ value: UInt64) -> UInt64 {
    let mask = (1 << halfBits) - 1 as UInt64
    var (left, right) = (value >> halfBits, value & mask)
    for round in 0..<ShuffledOrder.rounds {
      (left, right) = (right, left ^ SplitMix64.number(right &* ShuffledOrder.rounds &+ round, seed: seed) & mask)
    }
    return left << halfBits | right
  }
}
