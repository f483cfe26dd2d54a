import JSON
import Pages

/// The course of a training run as one HTML page that needs nothing but itself, in the look of the ablation report's.
public struct TrainingPage {
  /// One step, or one measurement between steps, as the log has it.
  public struct Entry: Sendable, Equatable {
    public let step: Int
    public let loss: Double?, smoothedLoss: Double?, heldOutLoss: Double?, rate: Double?, gradientNorm: Double?

    /// nil for a line of the log that is about something else.
    public init?(_ json: JSON) {
      guard let step = json["step"]?.int else { return nil }
      self.step = step
      loss = json["loss"]?.double
      smoothedLoss = json["smoothed_loss"]?.double
      heldOutLoss = json["held_out_loss"]?.double
      rate = json["lr"]?.double
      gradientNorm = json["grad_norm"]?.double
    }
  }

  private let title: String
  private let facts: [(String, String?)]
  private let findings: [String]
  private let entries: [Entry]

  /// - Parameters:
  ///   - facts: names and values to stand at the top; those without a value are left out.
  ///   - findings: a sentence each.
  public init(title: String, facts: [(String, String?)], findings: [String], log: [JSON]) {
    self.title = title
    self.facts = facts
    self.findings = findings
    entries = log.compactMap(Entry.init)
  }

  public var html: String {
    Markup.page(
      title: title, note: "The loss of every step before its update, and how fast it learned.", facts: facts, style: TrainingPage.css,
      main: Markup.summary(findings)
        + Markup.section("loss", "Loss", note: lossNote, legend + lossPlot.svg() + Markup.folded("The same as numbers", table))
        + Markup.section(
          "steps", "Steps",
          note: "Learning rate as the schedule has it; L2 norm of the gradient over all trained parameters, before clipping.",
          "<div class=\"panels wide\">" + ratePlot.svg() + normPlot.svg() + "</div>"),
      footer: "Losses are mean cross-entropies over the scored tokens, in nats. Steps count from 1.")
  }

  private var lossNote: String {
    "The thin line is each step's, the thick one their exponential mean"
      + (heldOut.isEmpty ? "." : ", the points are of texts that are not trained on.")
  }

  private var legend: String {
    guard !heldOut.isEmpty else { return "" }
    return "<ul class=\"legend\"><li>\(Scatter.swatch(.square, "held", title: "held out"))held out</li>"
      + "<li>\(Scatter.swatch(.square, "kl", title: "training"))training, smoothed</li></ul>"
  }

  private func points(_ value: (Entry) -> Double?) -> [(x: Double, y: Double)] {
    entries.compactMap { entry in value(entry).flatMap { $0.isFinite ? (Double(entry.step), $0) : nil } }
  }

  private var heldOut: [(x: Double, y: Double)] { points(\.heldOutLoss) }

  /// No figure has more points than pixels: neighbours are averaged.
  private static func thinned(_ points: [(x: Double, y: Double)], to most: Int = 700) -> [(x: Double, y: Double)] {
    guard points.count > most else { return points }
    let width = (points.count + most - 1) / most
    return stride(from: 0, to: points.count, by: width).map { start in
      let part = points[start..<min(start + width, points.count)]
      let count = Double(part.count)
      return (part.reduce(0) { $0 + $1.x } / count, part.reduce(0) { $0 + $1.y } / count)
    }
  }

  private func steps() -> Axis { Axis(entries.map { Double($0.step) }, logBeyond: .infinity, ticks: 8) }

  private var lossPlot: Curve {
    let (raw, smooth) = (points(\.loss), points(\.smoothedLoss))
    let axis = Axis((raw + heldOut).map(\.y), fromZero: false, logBeyond: 20)
    return Curve(
      title: "Loss, nats" + (axis.isLog ? ", log scale" : ""), summary: "Loss by step: \(findings.first ?? "")", across: steps(), up: axis,
      lines: [
        .init(points: TrainingPage.thinned(raw), style: "raw"), .init(points: TrainingPage.thinned(smooth), style: "smooth"),
        .init(points: heldOut, style: "heldline", marks: "held"),
      ], width: 1160, height: 420)
  }

  private var ratePlot: Curve {
    let rates = points(\.rate)
    return Curve(
      title: "Learning rate", summary: "Learning rate by step", across: steps(), up: Axis(rates.map(\.y), logBeyond: .infinity),
      lines: [.init(points: TrainingPage.thinned(rates), style: "smooth")], width: 550, height: 240)
  }

  private var normPlot: Curve {
    let norms = points(\.gradientNorm)
    let axis = Axis(norms.map(\.y))
    return Curve(
      title: "Gradient norm" + (axis.isLog ? ", log scale" : ""), summary: "Gradient norm by step", across: steps(), up: axis,
      lines: [.init(points: TrainingPage.thinned(norms), style: "smooth")], width: 550, height: 240)
  }

  /// Some twenty steps, and every measurement.
  private var table: String {
    let made = entries.filter { $0.loss != nil }
    let every = max(1, made.count / 20)
    let shown = Set(stride(from: 0, to: made.count, by: every).map { made[$0].step } + [made.last?.step ?? 0])
    var rows: [[String]] = []
    for entry in entries {
      if entry.heldOutLoss == nil, !shown.contains(entry.step) { continue }
      rows.append(
        ["\(entry.step)"]
          + [entry.loss, entry.smoothedLoss, entry.heldOutLoss, entry.rate, entry.gradientNorm].map {
            $0 == nil ? "" : NumberText.significant($0, 4)
          })
    }
    return Markup.table(
      caption: "Some of the steps", head: ["step", "loss", "smoothed", "held out", "learning rate", "gradient norm"], rows: rows)
  }

  private static let css = """
    .raw { stroke: var(--ridge); fill: none; stroke-width: 1; stroke-opacity: .55 } .smooth { stroke: var(--kl); fill: none; stroke-width: 2 }
    .heldline { stroke: var(--drop); fill: none; stroke-width: 1.4; stroke-dasharray: 4 3 } .held { fill: var(--drop) }
    """
}

/// Lines over steps.
private struct Curve {
  struct Line {
    let points: [(x: Double, y: Double)]
    let style: String
    /// The style of a mark on each point.
    var marks: String?
  }

  let title: String
  let summary: String
  let across: Axis, up: Axis
  let lines: [Line]
  let width: Double, height: Double

  private var left: Double { 56 }
  private var right: Double { width - 12 }
  private var top: Double { 30 }
  private var bottom: Double { height - 30 }

  private func x(_ value: Double) -> Double { left + across.position(value) * (right - left) }
  private func y(_ value: Double) -> Double { bottom - up.position(value) * (bottom - top) }

  func svg() -> String {
    var drawing = Drawing(width: width, height: height, label: summary)
    drawing.text(title, 0, 13, "title")
    for tick in across.ticks {
      drawing.line(x(tick), top, x(tick), bottom, "grid")
      drawing.text(NumberText.tick(tick), x(tick), bottom + 16, "tick", anchor: "middle")
    }
    for tick in up.ticks {
      drawing.line(left, y(tick), right, y(tick), "grid")
      drawing.text(NumberText.tick(tick), left - 6, y(tick) + 4, "tick", anchor: "end")
    }
    drawing.path("M\(left.px) \(top.px)V\(bottom.px)H\(right.px)", "axis")
    for line in lines {
      if line.points.count > 1 {
        drawing.path("M" + line.points.map { "\(x($0.x).px) \(y($0.y).px)" }.joined(separator: "L"), line.style)
      }
      // A line of one point would not be seen.
      guard let style = line.marks ?? (line.points.count == 1 ? "kl" : nil) else { continue }
      for point in line.points {
        drawing.circle(x(point.x), y(point.y), 3, style, title: "step \(Int(point.x)): \(NumberText.significant(point.y, 4))")
      }
    }
    return drawing.svg()
  }
}
