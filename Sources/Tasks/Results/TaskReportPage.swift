import Pages

/// A task report as one HTML page that needs nothing but itself, in the look of the other reports.
public enum TaskReportPage {
  public static func html(_ report: TaskReport) -> String {
    let figures = ScoreFigures(report)
    let names = report.models.map { Markup.modelName($0.name) }
    let main =
      Markup.summary(
        report.pairings.count == 1 ? PairedWords.findings(report.pairings[0]) : report.pairings.map(PairedWords.summary)
      ) + figures.scores + figures.subjects + report.pairings.enumerated().map { paired($1, number: $0) }.joined() + numbers(report)
    return Markup.page(
      title: names.count == 1
        ? "Tasks of \(names[0])" : report.pairings.isEmpty ? "Tasks of \(names.count) models" : "What the cuts of \(names[0]) cost",
      note: "Scores in benchmark tasks, computed as lm-evaluation-harness computes them.", facts: facts(report),
      style: PageStyle.series + "\n" + css, main: main,
      footer: "Whiskers: ± one standard error. Perplexities and bits are of the tasks' own texts."
        + (report.pairings.isEmpty ? "" : " " + PairedWords.legend))
  }

  private static func facts(_ report: TaskReport) -> [(String, String?)] {
    let (models, conditions) = (report.models, report.conditions)
    let asked = models[0].results.reduce(0) { $0 + $1.asked }
    return [
      (models.count == 1 ? "Model" : report.pairings.isEmpty ? "First model" : "Base", models[0].path),
      ("Parameters", models.map { $0.parameters.map(NumberText.grouped) ?? "–" }.joined(separator: ", ")),
      ("Weights", models.compactMap(\.type).isEmpty ? nil : models.map { $0.type ?? "–" }.joined(separator: ", ")),
      ("Tasks", NumberText.grouped(models[0].results.count)), ("Questions", NumberText.grouped(asked)),
      ("Limit", conditions.limit.map { "\(NumberText.grouped($0)) questions of each" }), ("Data", conditions.dataFolder),
      ("Backend", conditions.backend), ("Precision", conditions.precision),
      ("Few-shot seed", "\(conditions.fewShotSeed)"), ("Program", conditions.program),
      ("Time", NumberText.seconds(models.reduce(0) { $0 + $1.seconds }) + (models.count > 1 ? " in all" : "")),
    ]
  }

  /// The paired table: every row of `TaskPairing`, those that lost marked.
  private static func paired(_ pairing: TaskPairing, number: Int) -> String {
    let head = [
      "task", "metric", "base", "cut", "difference", "95 % interval", "verdict", "lost", "won", "p", "kept", "KL, nats",
      "loss that would show, uncorrected", "questions", "both right", "both wrong",
    ]
    var (rows, marked): ([[String]], Set<Int>) = ([], [])
    for row in pairing.rows {
      for (index, pair) in row.differences.enumerated() {
        let isShare = row.areShares[index]
        if pair.verdict == .lost { marked.insert(rows.count) }
        rows.append([
          TaskReportPage.indented(row.alias, row.depth), PairedWords.metric(pair.metric),
          PairedWords.figure(pair.base, isShare: isShare), PairedWords.figure(pair.cut, isShare: isShare),
          PairedWords.signed(pair.difference, isShare: isShare), PairedWords.interval(pair, isShare: isShare),
          pair.verdict == .noEvidenceOfHarm ? "no evidence of harm" : pair.verdict.rawValue, NumberText.grouped(pair.lost),
          NumberText.grouped(pair.won), PairedWords.probability(pair), PairedWords.retained(pair),
          index > 0 ? "" : PairedWords.divergence(row), pair.smallestLoss.map { PairedWords.figure($0, isShare: isShare) } ?? "–",
          NumberText.grouped(pair.questions), pair.bothRight.map(NumberText.grouped) ?? "", pair.bothWrong.map(NumberText.grouped) ?? "",
        ])
      }
    }
    guard !rows.isEmpty else { return "" }
    return Markup.section(
      "paired-\(number)", "\(pairing.cut) against \(pairing.base)",
      note:
        "Both models on the same questions. Rows in red lost more than chance explains. Where there is no evidence of harm at this sample "
        + "size, a loss as large as its column says would have shown four times of five, if tested alone (uncorrected).",
      Markup.table(caption: "Paired figures", head: head, rows: rows, marked: marked))
  }

  /// Every figure of every model.
  private static func numbers(_ report: TaskReport) -> String {
    let groups = report.models.map { report.groupResults(of: $0) }
    let names = report.models.flatMap { $0.results.map(\.name) } + report.hierarchy.upwards.map(\.name)
    let rows = report.hierarchy.ordered(names).flatMap { name, depth -> [[String]] in
      let entries = report.models.indices.map { figures(name, report.models[$0], groups[$0]) }
      let keys = entries.first { !$0.metrics.isEmpty }?.metrics.map(\.key) ?? []
      let alias = entries.lazy.compactMap(\.alias).first ?? name
      return keys.enumerated().map { index, key in
        [index > 0 ? "" : indented(alias, depth), PairedWords.metric(key)]
          + entries.map { entry in
            guard let metric = entry.metrics.first(where: { $0.key == key }) else { return "–" }
            return HarnessTable.fixed4(metric.value) + (metric.error.map { " ± " + HarnessTable.fixed4($0) } ?? "")
          }
      }
    }
    return Markup.section(
      "numbers", "All numbers", note: "± one standard error, where lm-evaluation-harness has one.",
      Markup.table(caption: "Every score", head: ["task", "metric"] + report.models.map(\.name), rows: rows))
  }

  private typealias Figures = (alias: String?, metrics: [(key: String, value: Double, error: Double?)])

  private static func figures(_ name: String, _ model: TaskReport.Model, _ groups: [GroupResult]) -> Figures {
    if let task = model.results.first(where: { $0.name == name }) {
      return (task.alias, task.metrics.map { ($0.key, $0.value, $0.standardError) })
    }
    guard let group = groups.first(where: { $0.name == name }) else { return (nil, []) }
    return (group.alias, group.metrics.map { ($0.key, $0.score.value, $0.score.standardError) })
  }

  /// "high school physics"
  static func plain(_ alias: String) -> String { String(alias.map { $0 == "_" ? " " : $0 }) }

  private static func indented(_ alias: String, _ depth: Int) -> String {
    depth == 0 ? alias : String(repeating: "\u{2003}", count: depth) + plain(alias)
  }

  private static let css = """
    .bold { font-weight: 650 } .subjects, .scores { gap: 26px 24px } .error { stroke-width: 1 } .halo { stroke-width: 2.6 }
    td:nth-child(2), tbody th, thead th:first-child, thead th:nth-child(2) { text-align: left }
    section[aria-labelledby^="paired"] :is(td, th):nth-child(7) { text-align: left }
    @media (max-width: 560px) { .subjects svg, .scores svg { width: 100% }
      .subjects svg:not(.fixed) :is(.label, .tick) { font-size: 12px } .subjects svg:not(.fixed) .title { font-size: 13px } }
    """
}
