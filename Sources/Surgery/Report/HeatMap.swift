import Glibc
import Pages

/// A layer × column map of KL on a logarithmic colour scale of nine steps, with the numbers in the cells where they fit.
struct HeatMap {
  let name: String
  let columnName: String
  let cells: [ReportData.Cell]
  private let bounds: [Double]

  private static let steps = 9
  private static let gutter = 44.0

  init(name: String, columnName: String, cells: [ReportData.Cell]) {
    self.name = name
    self.columnName = columnName
    self.cells = cells
    let positive = cells.map(\.kl).filter { $0 > 0 && $0.isFinite }
    let top = positive.max() ?? 1
    let bottom = max(positive.min() ?? top / 10, top * 1e-6)
    let (first, last) = (log10(bottom), max(log10(top), log10(bottom) + 1e-6))
    bounds = (1..<HeatMap.steps).map { pow(10, first + (last - first) * Double($0) / Double(HeatMap.steps)) }
  }

  private func step(_ value: Double) -> Int { bounds.firstIndex { value < $0 } ?? HeatMap.steps - 1 }

  func html() -> String {
    let layers = Set(cells.map(\.layer)).sorted()
    let columns = (cells.map(\.column).max() ?? 0) + 1
    // Wide enough for four digits up to 40 columns; beyond that colour and tooltip have to do.
    let cell = columns <= 12 ? 46.0 : columns <= 16 ? 40 : columns <= 40 ? 32 : 18
    let cellHeight = layers.count <= 40 ? 22.0 : 18
    let top = 34.0
    var drawing = Drawing(
      width: HeatMap.gutter + Double(columns) * cell + 2, height: top + Double(layers.count) * cellHeight + 2,
      label: "\(name): KL in nats, log colour scale, \(layers.count) layers by \(columns) columns")
    drawing.text(columnName, HeatMap.gutter, 11, "unit")
    drawing.text("layer", HeatMap.gutter - 8, top - 7, "unit", anchor: "end")
    let stride = cell < 20 ? 4 : 1
    for column in Swift.stride(from: 0, to: columns, by: stride) {
      drawing.text("\(column)", HeatMap.gutter + (Double(column) + 0.5) * cell, top - 7, "tick", anchor: "middle")
    }
    let rows = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($1, $0) })
    for (row, layer) in layers.enumerated() {
      drawing.text("\(layer)", HeatMap.gutter - 8, top + (Double(row) + 0.5) * cellHeight + 4, "label", anchor: "end")
    }
    for entry in cells {
      let (x, y) = (HeatMap.gutter + Double(entry.column) * cell, top + Double(rows[entry.layer]!) * cellHeight)
      let step = step(entry.kl)
      drawing.rect(
        x + 0.5, y + 0.5, cell - 1, cellHeight - 1, "h\(step)",
        title: "layer \(entry.layer), \(columnName) \(entry.column): KL \(NumberText.significant(entry.kl)) nats")
      if cell >= 30 {
        drawing.text(HeatMap.thousandths(entry.kl), x + cell / 2, y + cellHeight / 2 + 3.5, "cell t\(step)", anchor: "middle")
      }
    }
    let region =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(Markup.escaped(name))\">\(drawing.svg(fixed: true))</div>"
    return legend(showsNumbers: cell >= 30) + region
  }

  /// The steps with their bounds, in the numbers' own unit.
  private func legend(showsNumbers: Bool) -> String {
    let least = cells.map(\.kl).min() ?? 0
    let most = cells.map(\.kl).max() ?? 0
    let edges = [least] + bounds + [most]
    let width = 46.0
    var drawing = Drawing(width: width * Double(HeatMap.steps) + 30, height: 34, label: "colour scale of KL in thousandths of a nat")
    for step in 0..<HeatMap.steps { drawing.rect(15 + Double(step) * width, 0, width, 14, "h\(step)") }
    for (index, edge) in edges.enumerated() {
      drawing.text(HeatMap.thousandths(edge), 15 + Double(index) * width, 28, "tick", anchor: "middle")
    }
    let meaning =
      showsNumbers
      ? "Colours and numbers: KL in mnat (thousandths of a nat), log scale." : "Colours: KL in mnat (thousandths of a nat), log scale."
    return "<p class=\"key\">\(meaning)</p>\(drawing.svg())"
  }

  /// KL × 1000 in at most four digits: 0.12, 4.5, 120, 2400.
  static func thousandths(_ kl: Double) -> String {
    let value = kl * 1000
    guard value.isFinite else { return "–" }
    return value.magnitude >= 9.95
      ? NumberText.fixed(value, 0)
      : value.magnitude >= 0.995 ? NumberText.fixed(value, 1) : value.magnitude >= 0.005 ? NumberText.fixed(value, 2) : "0"
  }

  func table() -> String {
    let layers = Set(cells.map(\.layer)).sorted()
    let columns = Set(cells.map(\.column)).sorted()
    var values: [Int: [Int: Double]] = [:]
    for cell in cells { values[cell.layer, default: [:]][cell.column] = cell.kl }
    let rows = layers.map { layer in
      ["\(layer)"] + columns.map { column in values[layer]?[column].map { NumberText.significant($0) } ?? "" }
    }
    return Markup.table(caption: "\(name): KL, nats", head: ["layer"] + columns.map { "\(columnName) \($0)" }, rows: rows)
  }
}
