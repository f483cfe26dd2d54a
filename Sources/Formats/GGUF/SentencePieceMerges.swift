/// The merges of a SentencePiece vocabulary: SentencePiece joins whichever neighbours give the piece of the highest score, a tokenizer.json lists
/// the pairs in that order (as transformers converts one to the other).
enum SentencePieceMerges {
  /// Pairs of piece numbers in the order in which they are joined.
  /// - Parameters:
  ///   - pieces: UTF-8, by number.
  ///   - isMade: whether a piece may come out of a merge; control tokens and bytes may not.
  static func pairs(_ pieces: [[UInt8]], scores: [Double], isMade: (Int) -> Bool) -> [(left: Int, right: Int)] {
    var numbers: [ArraySlice<UInt8>: Int] = [:]
    for (number, piece) in pieces.enumerated() where numbers[piece[...]] == nil { numbers[piece[...]] = number }
    var pairs: [(piece: Int, left: Int, right: Int)] = []
    for number in pieces.indices where isMade(number) {
      let piece = pieces[number]
      // A cut stands in front of a byte that begins a character.
      for cut in piece.indices.dropFirst() where piece[cut] & 0xc0 != 0x80 {
        guard let left = numbers[piece[..<cut]], let right = numbers[piece[cut...]] else { continue }
        pairs.append((number, left, right))
      }
    }
    pairs.sort { a, b in
      if scores[a.piece] != scores[b.piece] { return scores[a.piece] > scores[b.piece] }
      return (a.piece, a.left, a.right) < (b.piece, b.left, b.right)
    }
    return pairs.map { ($0.left, $0.right) }
  }
}
