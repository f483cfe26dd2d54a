import JSON
import TensorCore
import Terminal

extension OpProfile {
  /// A Markdown table, the op that took longest first.
  var table: String {
    let header = ["op", "calls", "ms", "share", "GB/s", "TFLOP/s"]
    func share(_ seconds: Double) -> String { "\((100 * seconds / max(elapsed, 1e-9)).fixed(1)) %" }
    var rows = entries.map { entry in
      [
        entry.name, "\(entry.calls)", (entry.seconds * 1e3).fixed(2), share(entry.seconds),
        (entry.bytes / max(entry.seconds, 1e-9) * 1e-9).fixed(1), entry.flops == 0 ? "-" : (entry.flopsPerSecond * 1e-12).fixed(3),
      ]
    }
    rows.append(["between ops", "", (between * 1e3).fixed(2), share(between), "-", "-"])
    return MarkdownTable.text(header, rows)
  }

  var json: JSON {
    [
      "seconds": .double(elapsed), "between_seconds": .double(between),
      "ops": .array(
        entries.map {
          [
            "op": .string($0.name), "calls": .int($0.calls), "seconds": .double($0.seconds),
            "gb_per_second": .double($0.bytes / max($0.seconds, 1e-9) * 1e-9), "tflop_per_second": .double($0.flopsPerSecond * 1e-12),
          ]
        }),
    ]
  }
}

extension OpProfile.Entry {
  fileprivate var flopsPerSecond: Double { flops / max(seconds, 1e-9) }
}

/// Rows of cells under a header, aligned so that they can also be read as they are.
enum MarkdownTable {
  static func text(_ header: [String], _ rows: [[String]]) -> String {
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max()! }
    func line(_ cells: [String]) -> String { "| " + zip(cells, widths).map { $0.padded(to: $1) }.joined(separator: " | ") + " |\n" }
    return line(header) + "|" + widths.map { String(repeating: "-", count: $0 + 2) + "|" }.joined() + "\n" + rows.map(line).joined()
  }
}
