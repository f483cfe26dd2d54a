/// Words already encoded and their ids. It forgets everything when full: texts repeat their frequent words soon enough.
struct WordCache {
  private static let mostEntries = 1 << 15
  private static let longestKey = 64
  private static let mostBytes = 1 << 20

  private struct Entry {
    var hash: UInt64
    var keyStart: Int32
    var keyCount: Int32
    var idStart: Int32
    var idCount: Int32
  }
  private var slots: [Int32] = []
  private var entries: [Entry] = []
  private var keys: [UInt8] = []
  private var ids: [Int32] = []

  /// Appends the word's ids to `out` if they are known.
  @inline(__always) func append(_ word: Bytes, hash: UInt64, to out: inout [Int32]) -> Bool {
    guard !slots.isEmpty else { return false }
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0 {
      let entry = entries[Int(slots[slot])]
      if entry.hash == hash, Int(entry.keyCount) == word.count, hasKey(entry, word) {
        if entry.idCount == 1 {
          out.append(ids[Int(entry.idStart)])
        } else {
          out.append(contentsOf: ids[Int(entry.idStart)..<Int(entry.idStart + entry.idCount)])
        }
        return true
      }
      slot = (slot + 1) & mask
    }
    return false
  }

  @inline(__always) private func hasKey(_ entry: Entry, _ word: Bytes) -> Bool {
    keys.withUnsafeBufferPointer { areEqual(Bytes(rebasing: $0[Int(entry.keyStart)..<Int(entry.keyStart + entry.keyCount)]), word) }
  }

  /// Remembers a word that `append` did not find.
  mutating func insert(_ word: Bytes, hash: UInt64, ids found: ArraySlice<Int32>) {
    guard word.count <= Self.longestKey else { return }
    if slots.isEmpty || entries.count >= Self.mostEntries || keys.count >= Self.mostBytes {
      slots = Array(repeating: -1, count: 2 * Self.mostEntries)
      entries.removeAll(keepingCapacity: true)
      keys.removeAll(keepingCapacity: true)
      ids.removeAll(keepingCapacity: true)
    }
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0 { slot = (slot + 1) & mask }
    slots[slot] = Int32(entries.count)
    entries.append(
      Entry(
        hash: hash, keyStart: Int32(keys.count), keyCount: Int32(word.count), idStart: Int32(ids.count), idCount: Int32(found.count)))
    keys.append(contentsOf: word)
    ids.append(contentsOf: found)
  }
}
