import Formats
import Pages

/// A comparison as one HTML page that needs nothing but itself, in the look of the ablation report's.
public enum ComparisonPage {
  public static func html(_ table: ComparisonTable) -> String {
    let plots = ComparisonPlots(table)
    return Markup.page(
      title: "Cuts of \(Markup.modelName(table.base.path))",
      note: "What each cut costs in predictions, and what it gains in speed and size.", facts: facts(table), style: css,
      main: Markup.summary(table.findings) + plotSection(plots) + healingSection(table) + tableSection(table),
      footer:
        "Perplexity over \(table.conditions.perplexityProtocol). KL is the mean over positions of KL(base ‖ cut), in nats. Tokens per "
        + "second: mean ± sample standard deviation over rounds in which every model ran once. Layers count from 0.")
  }

  private static func facts(_ table: ComparisonTable) -> [(String, String?)] {
    let conditions = table.conditions
    return [
      ("Base", table.base.path), ("Layers", "\(table.base.layers)"), ("Parameters", NumberText.grouped(table.base.parameters)),
      ("Size", size(table.base.bytes)), ("Text", conditions.dataPath), ("Protocol", conditions.perplexityProtocol),
      ("Scored tokens", NumberText.grouped(conditions.scoredTokens)),
      ("Base perplexity", NumberText.significant(table.base.outcome.perplexity, 4)),
      ("Prefill", "\(table.base.prefill.tokens) tokens"),
      ("Decode", "\(table.base.decode.tokens) tokens behind \(conditions.prefixTokens)"),
      ("Rounds", "\(conditions.runs) after \(conditions.warmUp) to warm up"), ("Backend", conditions.backend),
      ("Time", NumberText.seconds(table.seconds)),
      ("Text of another domain", conditions.outOfDomain?.path), ("Healed with", conditions.healing?.path),
      ("Healing steps", conditions.healing.map { "\($0.steps) of \($0.batch) texts" }),
    ].filter { $0.1 != nil }
  }

  private static func healingSection(_ table: ComparisonTable) -> String {
    let columns = HealingColumns(table)
    guard !columns.titles.isEmpty else { return "" }
    let (title, note) =
      table.hasHealing
      ? ("Healing", "What was done to each cut afterwards, all with the same texts and as many steps. ") : ("Beyond the text", "")
    return Markup.section(
      "healing", title, note: note + HealingColumns.legend(table),
      Markup.table(caption: title, head: ["model"] + columns.titles, rows: table.rows.map { [$0.name] + columns.cells(of: $0) }))
  }

  private static func plotSection(_ plots: ComparisonPlots) -> String {
    Markup.section(
      "plots", "Cost against gain",
      note:
        "Each point is a model; a line joins the cuts of one method. Where there is room, the last of them and those on the front are named; "
        + "the pointer shows the others. Ringed points lie on the Pareto front, the dotted line: no other model is better at both. "
        + "Whiskers: ± one standard deviation. Against itself the base has no divergence.",
      plots.legend + "<div class=\"panels scatters comparison\">\(plots.scatters.map { $0.svg() }.joined())</div>")
  }

  private static func tableSection(_ table: ComparisonTable) -> String {
    let head = [
      "model", "layers", "removed", "parameters", "size", "perplexity", "Δ", "KL, nats", "same top-1", "prefill t/s",
      "decode t/s", "prefill ×", "decode ×", "Pareto",
    ]
    let rows = table.rows.enumerated().map { index, row in
      [
        row.name, "\(row.layers)", IndexRanges.text(row.removedLayers ?? []), millions(row.parameters), size(row.bytes),
        NumberText.significant(row.outcome.perplexity, 4), index == 0 ? "" : ComparisonTable.change(table.perplexityChange(of: row)),
        index == 0 ? "" : divergence(row.outcome), index == 0 ? "" : NumberText.percent(row.outcome.agreement), rate(row.prefill),
        rate(row.decode), index == 0 ? "" : gain(row.prefill, table.base.prefill),
        index == 0 ? "" : gain(row.decode, table.base.decode), table.merits(of: index).map(\.rawValue).joined(separator: ", "),
      ]
    }
    return Markup.section(
      "numbers", "All numbers",
      note: "Δ: perplexity against the base's. KL: ± one standard error, windows as clusters. ×: speed-up, median and middle half of the "
        + "rounds. Pareto: on the front of perplexity and decoding speed (speed), or of perplexity and bytes (size).",
      Markup.table(caption: "Every model", head: head, rows: rows))
  }

  private static func divergence(_ outcome: Outcome) -> String {
    "\(NumberText.significant(outcome.meanDivergence)) ± \(NumberText.significant(outcome.divergenceStandardError, 2))"
  }

  private static func rate(_ speed: Throughput) -> String {
    "\(NumberText.significant(speed.mean, 4)) ± \(NumberText.significant(speed.deviation, 2))"
  }

  private static func gain(_ own: Throughput, _ base: Throughput) -> String {
    let gain = own.speedUp(over: base)
    return "\(NumberText.fixed(gain.median, 2)) (\(NumberText.fixed(gain.lower, 2))–\(NumberText.fixed(gain.upper, 2)))"
  }

  private static func millions(_ count: Int) -> String { "\(NumberText.significant(Double(count) / 1e6)) M" }

  static func size(_ bytes: Int) -> String {
    let (value, unit) = bytes < 1 << 30 ? (Double(bytes) / 0x1p20, "MiB") : (Double(bytes) / 0x1p30, "GiB")
    return "\(NumberText.significant(value)) \(unit)"
  }

  /// What the ablation report's page has no use for.
  private static let css = """
    \(PageStyle.series)
    \((0..<PageStyle.seriesColours).map { ".trace.s\($0) { stroke: var(--s\($0)) }" }.joined(separator: "\n"))
    .trace { fill: none; stroke-opacity: .45; stroke-width: 1.2 } .base { fill: var(--ink) } .file { fill: var(--soft) }
    .front { fill: none; stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 1.5 3.5; stroke-linecap: round }
    .ring { fill: none; stroke: var(--ink); stroke-width: 1 } .comparison svg .tag { font-size: 11px } .comparison .error { stroke-opacity: .4 }
    """
}
