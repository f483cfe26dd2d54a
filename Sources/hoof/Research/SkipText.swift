import Formats
import Surgery
import Terminal

/// A study of dynamic skipping for people at a terminal.
struct SkipText {
  let result: SkipResult
  let subject: SkipResult.Subject

  private static let names: [SkipResult.Router: String] = [
    .fixed: "static", .greedy: "static, greedy", .leastDivergence: "static, least KL", .clusters: "routed, clusters",
    .regression: "routed, regression", .random: "random", .oracle: "oracle",
  ]

  /// Sets that the second table has at most; --json has them all.
  private static let mostSets = 12

  var text: String {
    let header = ["router", "KL, nats", "± s.e.", "against static, 95 %", "perplexity", "same top-1", "layer passes"]
    let rows = result.rows.map { row in
      [
        SkipText.names[row.router]!, SkipText.number(row.figures.meanDivergence, 5), SkipText.number(row.standardError, 5),
        row.router == .fixed ? "" : SkipText.difference(row), SkipText.number(row.perplexity, 3),
        (100 * row.figures.agreement).fixed(2) + " %", row.layerPasses.fixed(4),
      ]
    }
    return conditions + "\n" + SkipText.aligned(header, rows) + "\n" + sets + "\n" + result.findings.map { $0 + "\n" }.joined()
      + SkipText.legend
  }

  private static let legend =
    "\nKL: of the whole model to the cut one, mean over the scored positions; layer passes: layers a token goes through, with the router's "
    + "own work in shares of a layer.\nThe interval is a paired bootstrap over texts; two routers are tried, and where nothing is gained, "
    + "one in twenty such intervals leaves out zero.\n"

  private var conditions: String {
    let (study, options) = (result.study, result.study.options)
    let signal = options.depth == 0 ? "mean of the token embeddings" : "mean residual behind the first \(options.depth) layers"
    return """
      Research: \(options.drop) of \(study.model.layers.count) layers left out of \(subject.path.onOneLine), the same for all texts or \
      chosen for each.
      Chosen from the first \(options.promptTokens) tokens (\(signal)), scored on the \(result.whole.positions) positions behind them; \
      \(study.heldOut.count) held-out texts of \(subject.data.path.onOneLine), \(study.calibration.count) calibration texts of \
      \(subject.calibration.path.onOneLine), cut at \(subject.maxTokens) tokens; whole model: perplexity \
      \(SkipText.number(result.whole.perplexity, 3)); \(subject.backend.onOneLine)

      """
  }

  /// What there was to choose from, and how often it was chosen; most often chosen first where there are many.
  private var sets: String {
    let shown = result.rows.filter { ![.greedy, .leastDivergence].contains($0.router) }
    let all = result.candidates.sets.indices
    let used = shown.filter { $0.router != .random }.map(\.routing.frequencies)
    let weights = all.map { set in used.reduce(0) { $0 + $1[set] } }
    let listed =
      all.count <= SkipText.mostSets ? Array(all) : Array(all.sorted { (weights[$1], $0) < (weights[$0], $1) }.prefix(SkipText.mostSets))
    let header = ["without layers", "KL, calibration", "KL, held out"] + shown.map { $0.router.rawValue }
    let rows = listed.map { set in
      [
        IndexRanges.text(result.candidates.sets[set].sorted()), SkipText.number(result.calibration[set].meanDivergence, 5),
        SkipText.number(result.heldOut[set].meanDivergence, 5),
      ] + shown.map { (100 * $0.routing.frequencies[set]).fixed(1) + " %" }
    }
    let more = all.count - listed.count
    return "How often each set was chosen\n" + SkipText.aligned(header, rows) + (more > 0 ? "and \(more) sets that were chosen less\n" : "")
  }

  private static func difference(_ row: SkipResult.Row) -> String {
    guard let interval = row.interval else { return "not a number" }
    return "\(SkipResult.signed(row.difference)) (\(SkipResult.range(interval)))"
  }

  private static func number(_ value: Double, _ places: Int) -> String { value.magnitude >= 1e6 ? "\(Float(value))" : value.fixed(places) }

  private static func aligned(_ header: [String], _ rows: [[String]]) -> String {
    let lines = [header] + rows
    let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      let padded = line.enumerated().map { $1.padded(to: widths[$0], left: $0 > 0) }.joined(separator: "  ")
      return String(padded.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}
