/// Merges the symbols of one word: always the pair of least rank, the leftmost of equals, until no pair merges.
struct MergeBuffers {
  /// The word's symbols, and after `merge` its tokens.
  var ids: [Int32] = []

  /// Up to here looking at every pair again is faster than keeping a heap.
  static let mostForScan = 40

  private var ranks: [Int32] = []
  private var merged: [Int32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap = MinimumHeap()

  mutating func merge(with pairs: PairTable, scanLimit: Int = mostForScan) {
    if ids.count < 2 { return }
    if ids.count <= scanLimit { mergeByScan(pairs) } else { mergeByHeap(pairs) }
  }

  /// O(n²), without look-ups beyond two per merge.
  private mutating func mergeByScan(_ pairs: PairTable) {
    var count = ids.count
    ranks.removeAll(keepingCapacity: true)
    merged.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 {
      let pair = pairs.merge(ids[index], ids[index + 1])
      ranks.append(pair.rank)
      merged.append(pair.merged)
    }
    while count > 1 {
      var best = 0
      var bestRank = ranks[0]
      for index in 1..<max(count - 1, 1) where ranks[index] < bestRank {
        bestRank = ranks[index]
        best = index
      }
      if bestRank == PairTable.noRank { break }
      ids[best] = merged[best]
      ids.remove(at: best + 1)
      ranks.remove(at: best)
      merged.remove(at: best)
      count -= 1
      if best > 0 { (ranks[best - 1], merged[best - 1]) = pairs.merge(ids[best - 1], ids[best]) }
      if best < count - 1 { (ranks[best], merged[best]) = pairs.merge(ids[best], ids[best + 1]) }
    }
  }

  /// O(n log n): a linked list of symbols and a heap of (rank, position). Entries are not removed when their pair changes; they are
  /// recognised by their rank when they come up.
  private mutating func mergeByHeap(_ pairs: PairTable) {
    let count = ids.count
    precondition(count < Int(Int32.max), "MergeBuffers: a word of \(count) symbols")
    ranks = Array(repeating: PairTable.noRank, count: count)
    next = (1...Int32(count)).map { $0 }
    previous = (0..<Int32(count)).map { $0 - 1 }
    heap.removeAll()
    func look(at index: Int, _ ranks: inout [Int32], _ heap: inout MinimumHeap) {
      let right = Int(next[index])
      let rank = right < count ? pairs.merge(ids[index], ids[right]).rank : PairTable.noRank
      ranks[index] = rank
      if rank != PairTable.noRank { heap.push(UInt64(rank) << 32 | UInt64(index)) }
    }
    for index in 0..<count { look(at: index, &ranks, &heap) }
    while let top = heap.pop() {
      let index = Int(top & 0xffff_ffff)
      // A swallowed symbol has no rank left, and a changed pair has another.
      guard ranks[index] == Int32(truncatingIfNeeded: top >> 32), ids[index] >= 0 else { continue }
      let right = Int(next[index])
      ids[index] = pairs.merge(ids[index], ids[right]).merged
      ids[right] = -1
      ranks[right] = PairTable.noRank
      next[index] = next[right]
      if Int(next[index]) < count { previous[Int(next[index])] = Int32(index) }
      look(at: index, &ranks, &heap)
      if previous[index] >= 0 { look(at: Int(previous[index]), &ranks, &heap) }
    }
    ids.removeAll { $0 < 0 }
  }
}

/// A binary heap of 64-bit keys, least first.
struct MinimumHeap {
  private var keys: [UInt64] = []

  mutating func removeAll() { keys.removeAll(keepingCapacity: true) }

  mutating func push(_ key: UInt64) {
    keys.append(key)
    var child = keys.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if keys[parent] <= key { break }
      keys[child] = keys[parent]
      child = parent
    }
    keys[child] = key
  }

  mutating func pop() -> UInt64? {
    guard let last = keys.popLast() else { return nil }
    guard let top = keys.first else { return last }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < keys.count else { break }
      if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
      if keys[child] >= last { break }
      keys[parent] = keys[child]
      parent = child
    }
    keys[parent] = last
    return top
  }
}
