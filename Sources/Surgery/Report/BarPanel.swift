import Pages

/// Horizontal bars, one row a layer, depth running down the page: rows keep their height at any number of layers and any width of the
/// window, and panels beside each other share their rows.
struct BarPanel {
  struct Bar {
    let value: Double?
    var error: Double?
    let style: String
    let title: String
  }
  struct Row {
    let label: String
    let bars: [Bar]
    var isMarked = false
  }

  let title: String
  let unit: String
  let rows: [Row]
  let width: Double
  let axis: Axis
  var showsValues = false
  var axisTitle = ""

  static let top = 46.0
  private static let gutter = 30.0

  static func rowHeight(_ count: Int) -> Double { count <= 12 ? 24 : count <= 48 ? 18 : 14 }

  func svg() -> String {
    let rowHeight = BarPanel.rowHeight(rows.count)
    let height = BarPanel.top + Double(rows.count) * rowHeight + 6
    let scale = axis.isLog ? ", log scale" : ""
    var drawing = Drawing(width: width, height: height, label: "\(title)\(unit.isEmpty ? "" : ", \(unit)") per layer\(scale)")
    let left = BarPanel.gutter
    let right = width - (showsValues ? 52 : 12)
    func x(_ value: Double) -> Double { left + axis.position(value) * (right - left) }

    drawing.text(title, 0, 13, "title")
    drawing.text(unit + scale, right, 13, "unit", anchor: "end")
    for tick in axis.ticks {
      drawing.line(x(tick), BarPanel.top - 4, x(tick), height - 6, "grid")
      drawing.text(NumberText.tick(tick), x(tick), BarPanel.top - 9, "tick", anchor: "middle")
    }
    for (index, row) in rows.enumerated() {
      let y = BarPanel.top + Double(index) * rowHeight
      drawing.text(row.label, left - 6, y + rowHeight / 2 + 4, row.isMarked ? "label strong" : "label", anchor: "end")
      let space = rowHeight * 0.72 / Double(max(1, row.bars.count))
      for (place, bar) in row.bars.enumerated() {
        let barTop = y + rowHeight * 0.14 + Double(place) * space
        draw(
          bar, y: barTop, height: space - (row.bars.count > 1 ? 1 : 0), from: x(axis.isLog ? axis.lower : 0), x: x, right: right,
          in: &drawing)
      }
    }
    drawing.line(x(axis.isLog ? axis.lower : 0), BarPanel.top - 4, x(axis.isLog ? axis.lower : 0), height - 6, "axis")
    return drawing.svg()
  }

  private func draw(
    _ bar: Bar, y: Double, height: Double, from foot: Double, x: (Double) -> Double, right: Double, in drawing: inout Drawing
  ) {
    guard let value = bar.value, value.isFinite else { return drawing.text("–", foot + 4, y + height / 2 + 4, "value") }
    let end = x(value)
    drawing.rect(min(foot, end), y, max(1, (end - foot).magnitude), height, bar.style, title: bar.title)
    var edge = max(foot, end)
    if let error = bar.error, error.isFinite, error > 0 {
      let (low, high) = (x(value - error), x(value + error))
      let middle = y + height / 2
      let whisker = "M\(low.px) \(middle.px)H\(high.px)M\(low.px) \((middle - 3).px)v6M\(high.px) \((middle - 3).px)v6"
      drawing.path(whisker, "halo")
      drawing.path(whisker, "error")
      edge = max(edge, high)
    }
    if showsValues { drawing.text(NumberText.significant(value, 2), edge + 5, y + height / 2 + 4, "value") }
  }
}
