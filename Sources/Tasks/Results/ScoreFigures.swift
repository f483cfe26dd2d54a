import Pages

/// The drawings of a task report.
struct ScoreFigures {
  private let report: TaskReport
  private let groups: [[GroupResult]]

  init(_ report: TaskReport) {
    self.report = report
    groups = report.models.map { report.groupResults(of: $0) }
  }

  private struct Score {
    let value: Double
    let error: Double?
    let isShare: Bool
  }

  /// One figure of one model; nil where it has none.
  private func score(_ model: Int, _ name: String, _ key: String) -> Score? {
    if let metric = report.models[model].results.first(where: { $0.name == name })?[key] {
      return Score(value: metric.value, error: metric.standardError, isShare: metric.aggregation == .mean)
    }
    guard let group = groups[model].first(where: { $0.name == name }), let metric = group.metrics.first(where: { $0.key == key }) else {
      return nil
    }
    let tasks = report.models[model].results.filter { group.tasks.contains($0.name) }
    return Score(
      value: metric.score.value, error: metric.score.standardError,
      isShare: tasks.allSatisfy { $0[key].map { $0.aggregation == .mean } ?? true })
  }

  private func keys(_ name: String) -> [String] {
    for (model, groups) in zip(report.models, groups) {
      if let task = model.results.first(where: { $0.name == name }) { return task.metrics.map(\.key) }
      if let group = groups.first(where: { $0.name == name }) { return group.metrics.map(\.key) }
    }
    return []
  }

  /// Without underscores.
  private func words(_ name: String) -> String { TaskReportPage.plain(alias(name)) }

  private func alias(_ name: String) -> String {
    let aliases = report.models.lazy.compactMap { model in model.results.first { $0.name == name }?.alias }
    return aliases.first ?? report.hierarchy[name]?.alias ?? name
  }

  private func bars(_ name: String, _ key: String) -> [ScoreBars.Bar?] {
    report.models.indices.map { model in
      score(model, name, key).map { score in
        let error = score.error.map { " ± \(NumberText.significant($0, 2))" } ?? ""
        return ScoreBars.Bar(
          value: score.value, error: score.error, style: "s\(model % PageStyle.seriesColours)",
          title:
            "\(report.models[model].name), \(alias(name)): \(PairedWords.metric(key)) \(PairedWords.figure(score.value, isShare: score.isShare))\(error)"
        )
      }
    }
  }

  private static func axis(_ bars: [ScoreBars.Bar?], fromZero: Bool = true) -> Axis {
    Axis(bars.compactMap(\.self).flatMap { [$0.value, $0.value + ($0.error ?? 0)] }, logBeyond: fromZero ? .infinity : 100)
  }

  private var legend: String {
    guard report.models.count > 1 else { return "" }
    let items = report.models.enumerated().map { index, model in
      "<li><svg width=\"16\" height=\"11\" aria-hidden=\"true\"><rect class=\"s\(index % PageStyle.seriesColours)\" x=\".5\" y=\".5\" "
        + "width=\"15\" height=\"10\"/></svg>\(Markup.escaped(model.name))</li>"
    }
    return "<ul class=\"legend\">\(items.joined())</ul>"
  }

  /// Every metric of what is in no group: shares in one scale, each other metric in its own.
  var scores: String {
    let names = report.topLevel(of: report.models[0])
    var (shares, others): ([ScoreBars.Row], [String: [ScoreBars.Row]]) = ([], [:])
    var order: [String] = []
    for name in names {
      let keys = keys(name)
      for key in keys {
        let bars = bars(name, key)
        let isShare = report.models.indices.lazy.compactMap { score($0, name, key)?.isShare }.first ?? true
        let row = ScoreBars.Row(label: alias(name), bars: bars, remark: "· " + PairedWords.metric(key), isStrong: key == keys.first)
        if isShare {
          shares.append(row)
        } else {
          if others[key] == nil { order.append(key) }
          others[key, default: []].append(row)
        }
      }
    }
    let axis = ScoreFigures.axis(shares.flatMap(\.bars))
    // Two columns where one would be long.
    let half = shares.count > 8 ? (shares.count + 1) / 2 : max(1, shares.count)
    var panels = stride(from: 0, to: shares.count, by: half).map { start in
      ScoreBars(
        title: "Share of right answers", rows: Array(shares[start..<min(start + half, shares.count)]), axis: axis, width: 384,
        barHeight: 13,
        showsValues: true)
    }
    for key in order {
      let rows = others[key]!
      let bars = rows.flatMap(\.bars)
      panels.append(
        ScoreBars(
          title: "\(PairedWords.metric(key)), less is better", rows: rows, axis: ScoreFigures.axis(bars, fromZero: false), width: 384,
          barHeight: 13, showsValues: true))
    }
    guard !panels.isEmpty else { return "" }
    return Markup.section(
      "scores", "Scores",
      note: "Whiskers: ± one standard error." + (report.models.count > 1 ? " Bars stand in the order of the legend." : ""),
      legend + "<div class=\"panels scores\">\(panels.map { $0.svg() }.joined())</div>")
  }

  /// The tasks of each group that has several, by its subgroups: the subjects of MMLU.
  var subjects: String {
    report.hierarchy.roots.map { root in
      let tasks = report.hierarchy.tasks(of: root).filter { !keys($0).isEmpty }
      guard tasks.count > 1, let group = report.hierarchy[root] else { return "" }
      let key = keys(root).first ?? keys(tasks[0])[0]
      let members = group.members.filter { report.hierarchy[$0] != nil } + [root]
      let axis = ScoreFigures.axis((tasks + members).flatMap { bars($0, key) })
      let panels = members.compactMap { member -> ScoreBars? in
        let own = member == root ? group.members.filter { report.hierarchy[$0] == nil } : report.hierarchy.tasks(of: member)
        let known = TaskHierarchy.sorted(own.filter { keys($0).contains(key) })
        guard !known.isEmpty else { return nil }
        let mean = bars(member, key)
        let whole = mean.contains { $0 != nil } ? [ScoreBars.Row(label: "all of \(words(member))", bars: mean, isStrong: true)] : []
        return ScoreBars(
          title: words(member), rows: whole + known.map { ScoreBars.Row(label: words($0), bars: bars($0, key), remark: remark($0, key)) },
          axis: axis)
      }
      let marks = report.pairings.isEmpty ? "" : " ▼: lost more than chance explains, corrected over all \(tasks.count) of them; ▲: gained."
      return Markup.section(
        "group-\(TaskReport.sanitized(root))", "\(words(root)) by subject",
        note: "\(PairedWords.metric(key)) of \(tasks.count) tasks, all in one scale. Whiskers: ± one standard error." + marks,
        legend + "<div class=\"panels subjects\">\(panels.map { $0.svg() }.joined())</div>")
    }.joined()
  }

  /// A mark for each model that lost or gained, with its number where there are several.
  private func remark(_ name: String, _ key: String) -> String {
    report.pairings.enumerated().compactMap { index, pairing in
      guard let pair = pairing.rows.first(where: { $0.name == name })?.differences.first(where: { $0.metric == key }) else { return nil }
      let mark = pair.verdict == .lost ? "▼" : pair.verdict == .gained ? "▲" : ""
      return mark.isEmpty ? nil : report.pairings.count > 1 ? "\(mark)\(index + 2)" : mark
    }.joined(separator: " ")
  }
}
