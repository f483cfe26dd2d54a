/// One proxy against the measured KL; every point carries its layer's number.
struct Scatter {
  let proxy: String
  let layers: [ReportData.Layer]
  let correlation: ReportData.Correlation?

  func svg() -> String {
    let points = layers.compactMap { layer in layer.kl.flatMap { kl in layer.proxies[proxy].map { (layer.index, $0, kl) } } }
    let across = Axis(points.map(\.1), fromZero: false, logBeyond: 10, ticks: 3)
    let up = Axis(points.map(\.2), fromZero: false, logBeyond: 10)
    let (width, height, left, right, top, bottom) = (284.0, 262.0, 48.0, 274.0, 54.0, 212.0)
    let title = ReportData.title(proxy)
    var drawing = Drawing(width: width, height: height, label: "\(title) against KL per layer; \(figures)")
    drawing.text(title, 0, 13, "title")
    drawing.text(figures, 0, 31, "unit")
    func x(_ value: Double) -> Double { left + 8 + across.position(value) * (right - left - 16) }
    func y(_ value: Double) -> Double { bottom - 8 - up.position(value) * (bottom - top - 16) }
    for tick in across.ticks {
      drawing.line(x(tick), top, x(tick), bottom, "grid")
      drawing.text(NumberText.tick(tick), x(tick), bottom + 15, "tick", anchor: "middle")
    }
    for tick in up.ticks {
      drawing.line(left, y(tick), right, y(tick), "grid")
      drawing.text(NumberText.tick(tick), left - 5, y(tick) + 4, "tick", anchor: "end")
    }
    drawing.path("M\(left.px) \(top.px)V\(bottom.px)H\(right.px)", "axis")
    drawing.text("\(title.lowercased())\(across.isLog ? ", log scale" : "")", (left + right) / 2, bottom + 34, "unit", anchor: "middle")
    drawing.text("KL, nats\(up.isLog ? ", log scale" : "")", left, top - 6, "unit")
    for (layer, value, kl) in points {
      drawing.circle(
        x(value), y(kl), 3.5, "point",
        title: "layer \(layer): \(title.lowercased()) \(NumberText.significant(value)), KL \(NumberText.significant(kl)) nats")
    }
    // A label that would cover another is left out; the point's tooltip still names the layer.
    var labelled: [(x: Double, y: Double)] = []
    for (layer, value, kl) in points.sorted(by: { $0.2 > $1.2 }) {
      let spot = (x: x(value) + 5, y: y(kl) - 4)
      guard labelled.allSatisfy({ abs($0.x - spot.x) > 14 || abs($0.y - spot.y) > 9 }) else { continue }
      labelled.append(spot)
      drawing.text("\(layer)", spot.x, spot.y, "tag")
    }
    return drawing.svg()
  }

  private var figures: String {
    guard let correlation else { return "no rank correlation given" }
    let (rho, tau) = (correlation.spearman, correlation.kendall)
    return "Spearman \(rho.map { NumberText.fixed($0, 2) } ?? "–"), Kendall \(tau.map { NumberText.fixed($0, 2) } ?? "–")"
  }
}
