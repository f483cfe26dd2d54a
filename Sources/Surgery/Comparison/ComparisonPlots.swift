import Pages

/// The drawings of a comparison: what was lost against what was gained.
struct ComparisonPlots {
  private let table: ComparisonTable
  private let strategies: [String]

  init(_ table: ComparisonTable) {
    self.table = table
    strategies = table.rows.reduce(into: []) { known, row in
      if let series = ComparisonPlots.series(row), !known.contains(series) { known.append(series) }
    }
  }

  /// What a line joins: the cuts of one method, healed in one way. nil for a model that came from a file as it is.
  private static func series(_ row: ComparisonTable.Row) -> String? {
    let kind = row.healing.map(\.kind) ?? Healing.Kind.none
    let healed = kind == .none ? nil : kind.rawValue
    let names = [row.strategy, healed].compactMap(\.self)
    return names.isEmpty ? nil : names.joined(separator: " + ")
  }

  /// A quantity that models are placed by.
  private struct Quantity {
    let title: String
    /// Nothing to see: the base does not diverge from itself.
    var leavesOutBase = false
    let value: (ComparisonTable.Row) -> Double
    var error: (ComparisonTable.Row) -> Double? = { _ in nil }
  }

  var scatters: [Scatter] {
    let perplexity = Quantity(title: "perplexity") { $0.outcome.perplexity }
    let divergence = Quantity(title: "KL, nats", leavesOutBase: true) { $0.outcome.meanDivergence }
    let decode = Quantity(title: "decode, tokens/s", value: { $0.decode.mean }, error: { $0.decode.deviation })
    let size = Quantity(title: "size, MiB") { Double($0.bytes) / 0x1p20 }
    let parameters = Quantity(title: "parameters, millions") { Double($0.parameters) / 1e6 }
    return [
      scatter("Perplexity against speed", decode, perplexity, front: .speed),
      scatter("Perplexity against size", size, perplexity, front: .size),
      scatter("Divergence against parameters", parameters, divergence), scatter("Divergence against size", size, divergence),
    ]
  }

  private func scatter(_ title: String, _ across: Quantity, _ up: Quantity, front: Tradeoff? = nil) -> Scatter {
    let members = front.flatMap { table.fronts[$0] } ?? []
    // A model that overflows has no place in a drawing; the table and the summary name it.
    let drawn = table.rows.indices.dropFirst(up.leavesOutBase ? 1 : 0)
      .filter { across.value(table.rows[$0]).isFinite && up.value(table.rows[$0]).isFinite }
    let points = drawn.map { index in
      let row = table.rows[index]
      let (x, y) = (across.value(row), up.value(row))
      let look = look(of: row)
      return Scatter.Point(
        x: x, y: y, label: members.contains(index) || isLast(row) ? row.name : "",
        title: "\(row.name): \(across.title) \(NumberText.significant(x, 4)), \(up.title) \(NumberText.significant(y, 4))",
        style: look.style, mark: look.mark, error: across.error(row), isRinged: members.contains(index))
    }
    func trace(_ indices: [Int], _ style: String) -> Scatter.Trace {
      Scatter.Trace(points: indices.map { (across.value(table.rows[$0]), up.value(table.rows[$0])) }.sorted { $0.0 < $1.0 }, style: style)
    }
    let lines = strategies.enumerated().map { number, strategy in
      trace(drawn.filter { ComparisonPlots.series(table.rows[$0]) == strategy }, "trace s\(number % PageStyle.seriesColours)")
    }
    let edge = members.isEmpty ? [] : [trace(drawn.filter(members.contains), "front")]
    return Scatter(
      title: title, note: front == nil ? "" : "Pareto front: \(members.count) of \(table.rows.count) models",
      summary: "\(title): \(drawn.count) models; the table has the numbers",
      across: .init(
        title: across.title,
        axis: Axis(
          points.flatMap { [$0.x, $0.x - ($0.error ?? 0), $0.x + ($0.error ?? 0)] }.filter { $0 > 0 }, fromZero: false, logBeyond: 10,
          ticks: 5)),
      up: .init(title: up.title, axis: Axis(points.map(\.y), fromZero: false, logBeyond: 10)),
      points: points, traces: lines + edge, width: 560, height: 380, labelSize: 11, labelsMayCoverMarks: false)
  }

  /// Whether it is from a file, or the largest cut of its method, where the method's line ends.
  private func isLast(_ row: ComparisonTable.Row) -> Bool {
    guard let series = ComparisonPlots.series(row) else { return true }
    return !table.rows.contains { ComparisonPlots.series($0) == series && $0.parameters < row.parameters }
  }

  private func look(of row: ComparisonTable.Row) -> (style: String, mark: Scatter.Mark) {
    guard let series = ComparisonPlots.series(row), let number = strategies.firstIndex(of: series) else {
      return (row.name == table.base.name ? "base" : "file", .circle)
    }
    return ("s\(number % PageStyle.seriesColours)", Scatter.Mark.allCases[number % Scatter.Mark.allCases.count])
  }

  var legend: String {
    var entries = [("base", Scatter.Mark.circle, table.base.name)]
    if table.rows.dropFirst().contains(where: { ComparisonPlots.series($0) == nil }) { entries.append(("file", .circle, "from a file")) }
    for (number, strategy) in strategies.enumerated() {
      entries.append(("s\(number % PageStyle.seriesColours)", Scatter.Mark.allCases[number % Scatter.Mark.allCases.count], strategy))
    }
    return "<ul class=\"legend\">"
      + entries.map { "<li>\(Scatter.swatch($1, $0, title: $2))\(Markup.escaped($2))</li>" }.joined() + "</ul>"
  }
}
