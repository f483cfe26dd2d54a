import Glibc
import Pages

/// Distributions of the MLP neurons' activations, layer by layer.
struct NeuronSection {
  let layers: [ReportData.Neurons]
  /// The mean activation below which the page calls a neuron quiet; the threshold of the pruning examples.
  static let threshold = 0.005

  func html() -> String {
    var panels = ""
    if layers.contains(where: { !$0.meanAbsolute.isEmpty }) { panels += activations() }
    if layers.contains(where: { !$0.firingRate.isEmpty }) {
      panels += Ridges(
        title: "Firing rate", unit: "share of tokens with |a| > 0.02", rows: layers.map { ($0.layer, $0.firingRate) }, lower: 0, upper: 1,
        tickLabels: [0, 0.25, 0.5, 0.75, 1].map { ($0, NumberText.tick($0)) }
      ).svg()
    }
    return Markup.section(
      "neurons", "Neurons",
      note:
        "How strongly the neurons of each MLP are active over the calibration tokens, a = silu(gate)·up. Each row is a histogram of one "
        + "layer's neurons, scaled to its own peak. The dashed line is a mean |a| of \(NumberText.tick(Self.threshold)).",
      "<div class=\"panels wide\">\(panels)</div>" + Markup.folded("Numbers per layer", table()))
  }

  private func activations() -> String {
    // Dead neurons have no logarithm; they are counted at the lower end.
    let logs = layers.map { ($0.layer, $0.meanAbsolute.map { $0 > 0 ? log10($0) : -300 }) }
    let live = logs.flatMap(\.1).filter { $0 > -300 }
    let upper = (live.max() ?? 0).rounded(.up)
    let lower = max(min((live.min() ?? -1).rounded(.down), upper - 1), upper - 7)
    let ticks = stride(from: Int(lower), through: Int(upper), by: upper - lower > 4 ? 2 : 1).map {
      (Double($0), NumberText.tick(pow(10, Double($0))))
    }
    return Ridges(
      title: "Mean |a|", unit: "log scale", rows: logs, lower: lower, upper: upper, tickLabels: ticks, marker: (log10(Self.threshold), "")
    ).svg()
  }

  private func table() -> String {
    let rows = layers.map { layer in
      let sorted = layer.meanAbsolute.sorted()
      let quiet = sorted.filter { $0 < Self.threshold }.count
      return ["\(layer.layer)", NumberText.grouped(max(sorted.count, layer.firingRate.count))]
        + [0.05, 0.5, 0.95].map { NumberText.significant(Self.quantile(sorted, $0)) }
        + [NumberText.percent(sorted.isEmpty ? nil : Double(quiet) / Double(sorted.count))]
        + [NumberText.percent(Self.quantile(layer.firingRate.sorted(), 0.5))]
    }
    return Markup.table(
      caption: "Mean |a| and firing rate of the neurons",
      head: ["layer", "neurons", "5 %", "median", "95 %", "below \(NumberText.tick(Self.threshold))", "median firing rate"], rows: rows)
  }

  private static func quantile(_ sorted: [Double], _ share: Double) -> Double? {
    sorted.isEmpty ? nil : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
  }
}
