import Pages

extension Scatter {
  /// One proxy against the measured KL; every point carries its layer's number.
  init(proxy: String, layers: [ReportData.Layer], correlation: ReportData.Correlation?) {
    let title = ReportData.title(proxy)
    let known = layers.compactMap { layer in layer.kl.flatMap { kl in layer.proxies[proxy].map { (layer.index, $0, kl) } } }
    let figures = Scatter.figures(correlation)
    self.init(
      title: title, note: figures, summary: "\(title) against KL per layer; \(figures)",
      across: Scale(title: title.lowercased(), axis: Axis(known.map(\.1), fromZero: false, logBeyond: 10, ticks: 3)),
      up: Scale(title: "KL, nats", axis: Axis(known.map(\.2), fromZero: false, logBeyond: 10)),
      points: known.map { layer, value, kl in
        Point(
          x: value, y: kl, label: "\(layer)",
          title: "layer \(layer): \(title.lowercased()) \(NumberText.significant(value)), KL \(NumberText.significant(kl)) nats")
      })
  }

  private static func figures(_ correlation: ReportData.Correlation?) -> String {
    guard let correlation else { return "no rank correlation given" }
    let (rho, tau) = (correlation.spearman, correlation.kendall)
    return "Spearman \(rho.map { NumberText.fixed($0, 2) } ?? "–"), Kendall \(tau.map { NumberText.fixed($0, 2) } ?? "–")"
  }
}
