/// "Did you mean …?" for names in definitions and of tasks.
enum NearestName {
  /// "; did you mean 'hellaswag'?", or nothing where no name is near.
  static func hint(for word: String, in names: [String]) -> String { nearest(to: word, in: names).map { "; did you mean '\($0)'?" } ?? "" }

  /// The first of the names with the fewest changed letters, where these are few enough to be a slip.
  static func nearest(to word: String, in names: [String]) -> String? {
    guard (1...64).contains(word.utf8.count) else { return nil }
    if word.utf8.count >= 3, let longer = names.first(where: { $0.hasPrefix(word) }) { return longer }
    let letters = Array(word.lowercased().utf8)
    let limit = max(1, min(3, letters.count / 3))
    let near = names.map { (name: $0, changes: changes(letters, Array($0.lowercased().utf8))) }.min { $0.changes < $1.changes }
    return near.flatMap { $0.changes <= limit ? $0.name : nil }
  }

  /// Insertions, deletions and substitutions that make one word of the other (Levenshtein).
  private static func changes(_ a: [UInt8], _ b: [UInt8]) -> Int {
    guard b.count <= 64 else { return .max }
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let changed = diagonal + (letter == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }
}
