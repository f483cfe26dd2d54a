import Formats
import Surgery
import Terminal

/// A comparison for people at a terminal, or for a page in Markdown.
struct ComparisonText {
  let table: ComparisonTable

  private static let header = [
    "model", "layers", "params", "size", "perplexity", "Δ", "KL, nats", "same top-1", "prefill t/s", "decode t/s", "prefill ×", "decode ×",
    "pareto",
  ]

  private var cells: [[String]] {
    let base = table.base
    return table.rows.enumerated().map { index, row in
      [
        row.name.onOneLine, "\(row.layers)", LargeCount(row.parameters).description, ByteCount(row.bytes).description,
        ComparisonText.number(row.outcome.perplexity, 3), index == 0 ? "" : ComparisonTable.change(table.perplexityChange(of: row)),
        index == 0 ? "" : ComparisonText.number(row.outcome.meanDivergence, 4),
        index == 0 ? "" : (100 * row.outcome.agreement).fixed(1) + " %",
        ComparisonText.rate(row.prefill), ComparisonText.rate(row.decode), index == 0 ? "" : ComparisonText.gain(row.prefill, base.prefill),
        index == 0 ? "" : ComparisonText.gain(row.decode, base.decode), table.merits(of: index).map(\.rawValue).joined(separator: " "),
      ]
    }
  }

  private static func number(_ value: Double, _ places: Int) -> String { value.magnitude >= 1e6 ? "\(Float(value))" : value.fixed(places) }
  private static func rate(_ speed: Throughput) -> String { "\(speed.mean.fixed(2)) ± \(speed.deviation.fixed(2))" }

  /// "1.28 (1.27–1.30)"
  private static func gain(_ own: Throughput, _ base: Throughput) -> String {
    let gain = own.speedUp(over: base)
    return "\(gain.median.fixed(2)) (\(gain.lower.fixed(2))–\(gain.upper.fixed(2)))"
  }

  var text: String { document(ComparisonText.aligned) }
  var markdown: String { document(MarkdownTable.text) }

  private func document(_ layOut: (_ header: [String], _ cells: [[String]]) -> String) -> String {
    let columns = HealingColumns(table)
    let healing =
      columns.titles.isEmpty ? "" : layOut(["model"] + columns.titles, table.rows.map { [$0.name.onOneLine] + columns.cells(of: $0) })
    return conditions + "\n" + layOut(ComparisonText.header, cells) + (healing.isEmpty ? "" : "\n" + healing) + "\n" + notes
  }

  /// The last column is text, as the first is.
  private static func aligned(_ header: [String], _ cells: [[String]]) -> String {
    let lines = [header] + cells
    let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    let isTextLast = header.last == ComparisonText.header.last
    return lines.map { line in
      let padded = line.enumerated().map { $1.padded(to: widths[$0], left: $0 > 0 && !(isTextLast && $0 == line.count - 1)) }
        .joined(separator: "  ")
      return String(padded.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }

  /// Without these the numbers cannot be compared with anybody's.
  private var conditions: String {
    let conditions = table.conditions
    return "\(table.base.path?.onOneLine ?? ""): perplexity over \(conditions.perplexityProtocol), \(conditions.scoredTokens) tokens of "
      + "\(conditions.dataPath.onOneLine); prefill of \(table.base.prefill.tokens) tokens, decode of \(table.base.decode.tokens) behind "
      + "\(conditions.prefixTokens); \(conditions.runs) rounds after \(conditions.warmUp); \(conditions.backend.onOneLine)\n"
  }

  private var notes: String {
    let removed = table.rows.compactMap { row in
      row.removedLayers.flatMap {
        $0.isEmpty || row.healing.map { $0.kind != .none } ?? false
          ? nil : "\(row.name.onOneLine): without layer\($0.count == 1 ? "" : "s") \(IndexRanges.text($0))\n"
      }
    }
    let legend =
      "Δ: perplexity against the base; KL of the base to the model; ×: speed-up, median and middle half of the rounds; pareto: no other "
      + "model has both lower perplexity and faster decoding (speed) or fewer bytes (size).\n"
    let more = HealingColumns.legend(table)
    return removed.joined() + (removed.isEmpty ? "" : "\n") + legend + (more.isEmpty ? "" : more.onOneLine + "\n") + "\n"
      + table.findings.map { $0 + "\n" }.joined()
  }
}
