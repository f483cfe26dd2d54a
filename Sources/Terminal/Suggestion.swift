/// "Did you mean …?"
enum Suggestion {
  /// The closest of `names` by edit distance, when it is close enough to be what was meant; the first of equals.
  static func nearest(to word: String, in names: [String]) -> String? {
    let limit = max(1, min(3, word.count / 2))
    if let longer = names.first(where: { word.count >= 3 && $0.hasPrefix(word) }) { return longer }
    let distances = names.map { distance(Array(word), Array($0)) }
    guard let least = distances.min(), least <= limit else { return nil }
    return names[distances.firstIndex(of: least)!]
  }

  /// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    // A command line is not a place for long words, and the table is quadratic.
    guard a.count <= 64, b.count <= 64 else { return Int.max }
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var rows = [Array(0...b.count)]
    for i in 1...a.count {
      var row = [i]
      for j in 1...b.count {
        var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, rows[i - 2][j - 2] + 1) }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}

extension UsageError {
  /// The nearest of `names` to what was typed, for messages.
  public static func suggestion(for word: String, in names: [String]) -> String? { Suggestion.nearest(to: word, in: names) }
}
