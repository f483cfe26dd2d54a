import Pages

/// One small histogram a layer over a shared axis: where the layers' distributions lie, and how they move with depth.
struct Ridges {
  let title: String
  let unit: String
  let rows: [(layer: Int, values: [Double])]
  let lower: Double, upper: Double
  let tickLabels: [(at: Double, text: String)]
  var marker: (at: Double, label: String)?

  private static let bins = 48
  private static let gutter = 30.0
  private static let width = 440.0

  func svg() -> String {
    let rowHeight = rows.count <= 12 ? 34.0 : 24
    let top = 46.0
    let height = top + Double(rows.count) * rowHeight + 8
    var drawing = Drawing(width: Ridges.width, height: height, label: "\(title), \(unit): one histogram per layer")
    let (left, right) = (Ridges.gutter, Ridges.width - 12)
    func x(_ value: Double) -> Double { left + min(1, max(0, (value - lower) / (upper - lower))) * (right - left) }
    drawing.text(title, 0, 13, "title")
    drawing.text(unit, Ridges.width, 13, "unit", anchor: "end")
    for tick in tickLabels {
      drawing.line(x(tick.at), top - 4, x(tick.at), height - 8, "grid")
      drawing.text(tick.text, x(tick.at), top - 9, "tick", anchor: "middle")
    }
    if let marker, marker.at > lower, marker.at < upper { drawing.line(x(marker.at), top - 4, x(marker.at), height - 8, "marker") }
    for (index, row) in rows.enumerated() {
      let base = top + Double(index + 1) * rowHeight
      let counts = histogram(row.values)
      let peak = Double(counts.max() ?? 1)
      var path = "M\(left.px) \(base.px)"
      for (bin, count) in counts.enumerated() {
        let y = base - Double(count) / max(1, peak) * (rowHeight - 5)
        path += "V\(y.px)H\((left + (right - left) * Double(bin + 1) / Double(Ridges.bins)).px)"
      }
      path += "V\(base.px)Z"
      drawing.path(path, "ridge", title: "layer \(row.layer): \(row.values.count) neurons")
      drawing.text("\(row.layer)", left - 6, base - rowHeight / 2 + 6, "label", anchor: "end")
      drawing.line(left, base, right, base, "grid")
    }
    return drawing.svg()
  }

  /// What lies beyond the ends is counted in the first and last bin.
  private func histogram(_ values: [Double]) -> [Int] {
    var counts = [Int](repeating: 0, count: Ridges.bins)
    for value in values where !value.isNaN {
      let share = min(1, max(0, (value - lower) / (upper - lower)))
      counts[min(Ridges.bins - 1, Int(share * Double(Ridges.bins)))] += 1
    }
    return counts
  }
}
