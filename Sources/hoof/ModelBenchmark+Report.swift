import JSON
import TensorCore
import TensorTesting
import Terminal

extension ModelBenchmark {
  struct Report {
    struct Row {
      let backend: String
      let work: String
      /// Median time of one pass or step.
      let seconds: Double
      let tokens: Int
      /// Weights, and in decoding the cache, that must be read.
      let bytes: Int
      let flops: Int
      let roof: String
      /// Least possible time by that roof, over the measured time.
      let share: Double
      /// Of the logits, relative.
      let error: Double

      var tokensPerSecond: Double { Double(tokens) / seconds }
      var bytesPerSecond: Double { Double(bytes) / seconds }
      var flopsPerSecond: Double { Double(flops) / seconds }
    }

    let path: String
    let parameters: Int
    var rows: [Row] = []
    var profiles: [(backend: String, profile: OpProfile)] = []

    /// One table, grouped by work, so that backends stand below each other.
    var text: String {
      let header = ["work", "backend", "median", "tokens/s", "GB/s", "TFLOP/s", "of roof", "logits' error"]
      let order = rows.map(\.work).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
      let cells = order.flatMap { work in
        rows.filter { $0.work == work }.map { row in
          [
            row.work, row.backend, "\((row.seconds * 1e3).fixed(3)) ms", row.tokensPerSecond.fixed(1),
            (row.bytesPerSecond * 1e-9).fixed(1), (row.flopsPerSecond * 1e-12).fixed(3), "\((100 * row.share).fixed(0)) % \(row.roof)",
            row.error.scientific,
          ]
        }
      }
      let tables = profiles.map { "\nWhere the time goes on \($0.backend)\n\n" + $0.profile.table }.joined()
      return "\(path.onOneLine): \(LargeCount(parameters)) weights\n\n" + MarkdownTable.text(header, cells) + tables
    }

    var json: JSON {
      var object: JSON.Object = [
        "path": .string(path), "parameters": .int(parameters),
        "rows": .array(
          rows.map {
            [
              "work": .string($0.work), "backend": .string($0.backend), "median_ns": .int(Int(($0.seconds * 1e9).rounded())),
              "tokens": .int($0.tokens), "tokens_per_second": .double($0.tokensPerSecond),
              "gb_per_second": .double($0.bytesPerSecond * 1e-9),
              "tflop_per_second": .double($0.flopsPerSecond * 1e-12), "roof": .string($0.roof), "share_of_roof": .double($0.share),
              "logits_error": .double($0.error),
            ]
          }),
      ]
      if !profiles.isEmpty {
        object["profiles"] = .array(profiles.map { ["backend": .string($0.backend), "profile": $0.profile.json] })
      }
      return .object(object)
    }
  }
}
