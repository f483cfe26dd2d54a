/// Which two neighbouring ids merge, in what order of preference, and into what: (left, right) → (rank, merged).
struct PairTable: Sendable {
  struct Merge: Sendable {
    var left: Int32
    var right: Int32
    var merged: Int32
  }
  private struct Slot {
    var key: UInt64
    var rank: Int32
    var merged: Int32
  }
  /// No pair has this key: ids are not negative.
  private static let empty = UInt64.max
  static let noRank = Int32.max

  private var slots: [Slot]
  private let mask: Int

  /// A pair named twice keeps its later rank, as in the tokenizers library.
  init(_ merges: [Merge]) {
    var capacity = 16
    while capacity < 2 * merges.count { capacity *= 2 }
    mask = capacity - 1
    slots = Array(repeating: Slot(key: Self.empty, rank: Self.noRank, merged: -1), count: capacity)
    for (rank, merge) in merges.enumerated() {
      let key = Self.key(merge.left, merge.right)
      slots[find(key)] = Slot(key: key, rank: Int32(rank), merged: merge.merged)
    }
  }

  /// `rank` is `noRank` when the two do not merge.
  @inline(__always) func merge(_ left: Int32, _ right: Int32) -> (rank: Int32, merged: Int32) {
    let slot = slots[find(Self.key(left, right))]
    return (slot.rank, slot.merged)
  }

  @inline(__always) private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always) private func find(_ key: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: mixed(key ^ hashSeed)) & mask
    while slots[slot].key != Self.empty, slots[slot].key != key { slot = (slot + 1) & mask }
    return slot
  }
}
