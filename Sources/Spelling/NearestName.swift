/// "Did you mean …?" wherever people name something: options, commands, tasks, keys of a file.
package enum NearestName {
  /// "; did you mean 'hellaswag'?", or nothing where no name is near.
  package static func hint(for word: String, in names: [String]) -> String {
    nearest(to: word, in: names).map { "; did you mean '\($0)'?" } ?? ""
  }

  /// The first name that goes on where the word ends, or else the first of those with the fewest changes, where these are few enough to be a slip.
  package static func nearest(to word: String, in names: [String]) -> String? {
    let letters = Array(word.lowercased().utf8)
    guard (1...greatestLength).contains(letters.count) else { return nil }
    if letters.count >= 3, let longer = names.first(where: { $0.hasPrefix(word) }) { return longer }
    let limit = max(1, min(3, (letters.count + 1) / 3))
    let near = names.map { (name: $0, changes: changes(letters, Array($0.lowercased().utf8))) }.min { $0.changes < $1.changes }
    return near.flatMap { $0.changes <= limit ? $0.name : nil }
  }

  /// The work grows with the product of the lengths, and nobody types longer names.
  private static let greatestLength = 64

  /// Insertions, deletions, substitutions and swaps of neighbours that make one word of the other (optimal string alignment).
  static func changes(_ a: [UInt8], _ b: [UInt8]) -> Int {
    guard b.count <= greatestLength else { return .max }
    var (before, last) = ([Int](), Array(0...b.count))
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
        row.append(best)
      }
      (before, last) = (last, row)
    }
    return last[b.count]
  }
}
