import Pages

/// Scores of several models side by side: a row for each task with a bar for each model. The label stands above its bars, so that long names need
/// no room beside them and the drawing may be as narrow as a phone.
struct ScoreBars {
  struct Bar {
    let value: Double
    let error: Double?
    let style: String
    /// What the pointer shows.
    let title: String
  }

  struct Row {
    let label: String
    /// nil: the model does not have the task.
    let bars: [Bar?]
    /// Stands behind the label.
    var remark = ""
    var isStrong = false
  }

  let title: String
  let rows: [Row]
  let axis: Axis
  var width = 280.0
  var barHeight = 7.0
  var showsValues = false

  private static let (top, labelHeight, gap) = (46.0, 16.0, 7.0)
  private var right: Double { width - (showsValues ? 56 : 10) }

  private func x(_ value: Double) -> Double { axis.position(value) * right }

  func svg() -> String {
    let bars = rows.map(\.bars.count).max() ?? 0
    let rowHeight = ScoreBars.labelHeight + Double(bars) * barHeight + ScoreBars.gap
    let height = ScoreBars.top + Double(rows.count) * rowHeight
    var drawing = Drawing(
      width: width, height: height, label: "\(title): \(rows.count) rows of \(bars) bars each; the table below has the numbers")
    drawing.text(title, 0, 13, "title")
    for (index, tick) in axis.ticks.enumerated() {
      drawing.line(x(tick), ScoreBars.top - 8, x(tick), height - 4, "grid")
      drawing.text(NumberText.tick(tick), x(tick), ScoreBars.top - 13, "tick", anchor: index == 0 ? "start" : "middle")
    }
    for (index, row) in rows.enumerated() {
      let y = ScoreBars.top + Double(index) * rowHeight
      drawing.text(row.remark.isEmpty ? row.label : "\(row.label) \(row.remark)", 2, y + 11, row.isStrong ? "label bold" : "label")
      for (place, bar) in row.bars.enumerated() {
        draw(bar, y: y + ScoreBars.labelHeight + Double(place) * barHeight, in: &drawing)
      }
    }
    drawing.line(x(axis.isLog ? axis.lower : 0), ScoreBars.top - 8, x(axis.isLog ? axis.lower : 0), height - 4, "axis")
    return drawing.svg()
  }

  private func draw(_ bar: Bar?, y: Double, in drawing: inout Drawing) {
    let height = barHeight - 1
    let foot = x(axis.isLog ? axis.lower : 0)
    guard let bar, bar.value.isFinite else {
      if showsValues { drawing.text("–", foot + 4, y + height / 2 + 4, "value") }
      return
    }
    drawing.rect(foot, y, max(1, x(bar.value) - foot), height, bar.style, title: bar.title)
    var end = x(bar.value)
    if let error = bar.error, error.isFinite, error > 0 {
      let (low, high, middle) = (x(bar.value - error), x(bar.value + error), y + height / 2)
      if height < 9 {
        // No room for caps, nor for a rim that would hide the bar.
        drawing.line(low, middle, high, middle, "error")
      } else {
        let whisker = "M\(low.px) \(middle.px)H\(high.px)M\(low.px) \((middle - 3).px)v6M\(high.px) \((middle - 3).px)v6"
        drawing.path(whisker, "halo")
        drawing.path(whisker, "error")
      }
      end = max(end, high)
    }
    if showsValues { drawing.text(NumberText.significant(bar.value, 3), end + 5, y + height / 2 + 4, "value") }
  }
}
