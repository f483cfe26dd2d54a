/// The vocabulary: id → piece and piece → id. All pieces lie in one array of bytes: 128,000 Strings would take longer to make than the
/// file takes to read.
struct PieceTable: Sendable {
  private var text: [UInt8]
  private var starts: [Int32]
  /// Bytes of the piece with that id, -1 where the id is unused.
  private var lengths: [Int32]
  /// Open addressing: the id whose piece hashes there, or -1.
  private var slots: [Int32]
  private(set) var count = 0

  /// Highest id + 1.
  var idLimit: Int { lengths.count }

  /// A table for ids below `idLimit`; `text` is filled by `insert`.
  init(idLimit: Int, expecting count: Int, textCapacity: Int) {
    text = []
    text.reserveCapacity(textCapacity)
    starts = Array(repeating: 0, count: idLimit)
    lengths = Array(repeating: -1, count: idLimit)
    var capacity = 16
    while capacity < 2 * count { capacity *= 2 }
    slots = Array(repeating: -1, count: capacity)
  }

  enum Clash { case piece, id }

  /// Nil when inserted, else what was there before. `id` lies below `idLimit`.
  mutating func insert(_ piece: Bytes, id: Int32) -> Clash? {
    precondition(2 * (count + 1) <= slots.count, "PieceTable: \(count) pieces in \(slots.count) slots")
    guard lengths[Int(id)] < 0 else { return .id }
    let slot = slot(of: piece)
    guard slots[slot] < 0 else { return .piece }
    slots[slot] = id
    starts[Int(id)] = Int32(text.count)
    lengths[Int(id)] = Int32(piece.count)
    text.append(contentsOf: piece)
    count += 1
    return nil
  }

  func id(of piece: Bytes) -> Int32? {
    let id = slots[slot(of: piece)]
    return id < 0 ? nil : id
  }

  func id(of piece: [UInt8]) -> Int32? { piece.withUnsafeBufferPointer { id(of: $0) } }

  func contains(_ id: Int32) -> Bool { id >= 0 && id < lengths.count && lengths[Int(id)] >= 0 }

  /// Calls `body` with the bytes of a piece; nil when the id is unused.
  func withPiece<Result>(_ id: Int32, _ body: (Bytes) -> Result) -> Result? {
    guard contains(id) else { return nil }
    return text.withUnsafeBufferPointer { body(Bytes(rebasing: $0[Int(starts[Int(id)])..<Int(starts[Int(id)] + lengths[Int(id)])])) }
  }

  func bytes(of id: Int32) -> [UInt8]? { withPiece(id) { Array($0) } }

  /// Where `piece` is, or where it would go.
  private func slot(of piece: Bytes) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hashed(piece)) & mask
    return text.withUnsafeBufferPointer { text in
      while slots[slot] >= 0 {
        let id = Int(slots[slot])
        let start = Int(starts[id])
        if areEqual(Bytes(rebasing: text[start..<start + Int(lengths[id])]), piece) { break }
        slot = (slot + 1) & mask
      }
      return slot
    }
  }
}
