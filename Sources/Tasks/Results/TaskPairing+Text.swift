import Pages

extension TaskPairing {
  /// The paired table for a terminal, and what it means: lines of at most 140 columns.
  public var text: String {
    let head = ["task", "metric", "base", "cut", "difference, 95 % interval", "lost", "won", "p", "KL", "kept", "verdict"]
    let cells = rows.flatMap { row in
      row.differences.enumerated().map { index, pair in
        let isShare = row.areShares[index]
        let difference = PairedWords.signed(pair.difference, isShare: isShare)
        let interval = PairedWords.interval(pair, isShare: isShare)
        return [
          index > 0 ? "" : String(repeating: " ", count: row.depth) + TaskPairing.onOneLine(row.alias),
          TaskPairing.onOneLine(PairedWords.shortMetric(pair.metric)), PairedWords.figure(pair.base, isShare: isShare),
          PairedWords.figure(pair.cut, isShare: isShare), interval.isEmpty ? difference : difference + " " + interval, "\(pair.lost)",
          "\(pair.won)", PairedWords.probability(pair), index > 0 ? "" : PairedWords.divergence(row), PairedWords.retained(pair),
          PairedWords.verdict(pair),
        ]
      }
    }
    let lines = TaskPairing.aligned([head] + cells)
    let title = "\(TaskPairing.onOneLine(cut)) against \(TaskPairing.onOneLine(base))"
    let words = [PairedWords.legend] + PairedWords.findings(self).map(TaskPairing.onOneLine)
    return (TaskPairing.wrapped(title) + [""] + lines + [""] + words.flatMap(TaskPairing.wrapped)).map { $0 + "\n" }.joined()
      .map { $0 == "−" ? "-" : $0 == "\u{202F}" ? "," : $0 }.reduce(into: "") { $0.append($1) }
  }

  static let greatestWidth = 140

  /// Names and metrics give way where the line would be too long.
  private static func aligned(_ rows: [[String]]) -> [String] {
    var widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let excess = widths.reduce(0, +) + 2 * (widths.count - 1) - greatestWidth
    if excess > 0 {
      let metrics = min(excess, max(0, widths[1] - 16))
      widths[1] -= metrics
      widths[0] = max(12, widths[0] - (excess - metrics))
    }
    return rows.map { row in
      let line = row.enumerated().map { column, cell in
        let fitted = cell.count > widths[column] ? cell.prefix(widths[column] - 1) + "…" : cell
        let padding = String(repeating: " ", count: widths[column] - fitted.count)
        return column < 2 || column == row.count - 1 ? fitted + padding : padding + fitted
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  private static func wrapped(_ text: String) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      if lines[lines.count - 1].count + word.count + 1 > greatestWidth { lines.append("") }
      lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
    }
    return lines
  }

  /// A name from a file cannot end the line or move the cursor.
  private static func onOneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || (127...159).contains($0.value) ? "\u{FFFD}" : $0 }))
  }
}
