import Pages

/// Points over two value axes, each with its label where there is room.
struct Scatter {
  struct Scale {
    /// With the unit: "KL, nats".
    let title: String
    let axis: Axis
  }

  enum Mark: CaseIterable { case circle, square, diamond, up, down }

  struct Point {
    let x: Double, y: Double
    let label: String
    /// What the pointer shows.
    let title: String
    var style = "point"
    var mark = Mark.circle
    /// Half the length of a horizontal whisker.
    var error: Double?
    /// Whether a ring is drawn around it.
    var isRinged = false
  }

  /// A line through some points, beneath them.
  struct Trace {
    let points: [(x: Double, y: Double)]
    let style: String
  }

  let title: String
  /// A line under the title.
  let note: String
  /// What the drawing is, for who cannot see it.
  let summary: String
  let across: Scale, up: Scale
  let points: [Point]
  var traces: [Trace] = []
  var width = 284.0, height = 262.0
  var labelSize = 10.0
  /// Whether a label that finds no free side may cover another point's mark; else it is left out.
  var labelsMayCoverMarks = true

  private static let radius = 3.5
  private var left: Double { 48 }
  private var right: Double { width - 10 }
  private var top: Double { 54 }
  private var bottom: Double { height - 50 }

  private func x(_ value: Double) -> Double { left + 8 + across.axis.position(value) * (right - left - 16) }
  private func y(_ value: Double) -> Double { bottom - 8 - up.axis.position(value) * (bottom - top - 16) }

  func svg() -> String {
    var drawing = Drawing(width: width, height: height, label: summary)
    drawing.text(title, 0, 13, "title")
    drawing.text(note, 0, 31, "unit")
    drawAxes(in: &drawing)
    for trace in traces where trace.points.count > 1 {
      drawing.path("M" + trace.points.map { "\(x($0.x).px) \(y($0.y).px)" }.joined(separator: "L"), trace.style)
    }
    for point in points {
      if let error = point.error, error.isFinite, error > 0 {
        drawing.path("M\(x(point.x - error).px) \(y(point.y).px)H\(x(point.x + error).px)", "error")
      }
    }
    for point in points { draw(point, in: &drawing) }
    drawLabels(in: &drawing)
    return drawing.svg()
  }

  private func drawAxes(in drawing: inout Drawing) {
    for tick in across.axis.ticks {
      drawing.line(x(tick), top, x(tick), bottom, "grid")
      drawing.text(NumberText.tick(tick), x(tick), bottom + 15, "tick", anchor: "middle")
    }
    for tick in up.axis.ticks {
      drawing.line(left, y(tick), right, y(tick), "grid")
      drawing.text(NumberText.tick(tick), left - 5, y(tick) + 4, "tick", anchor: "end")
    }
    drawing.path("M\(left.px) \(top.px)V\(bottom.px)H\(right.px)", "axis")
    drawing.text(Scatter.named(across), (left + right) / 2, bottom + 34, "unit", anchor: "middle")
    drawing.text(Scatter.named(up), left, top - 6, "unit")
  }

  private static func named(_ scale: Scale) -> String { scale.title + (scale.axis.isLog ? ", log scale" : "") }

  private func draw(_ point: Point, in drawing: inout Drawing) {
    if point.isRinged { drawing.circle(x(point.x), y(point.y), Scatter.radius + 3, "ring", title: point.title) }
    Scatter.draw(point.mark, x(point.x), y(point.y), point.style, title: point.title, in: &drawing)
  }

  private static func draw(_ mark: Mark, _ x: Double, _ y: Double, _ style: String, title: String, in drawing: inout Drawing) {
    let r = radius
    switch mark {
    case .circle: drawing.circle(x, y, r, style, title: title)
    case .square: drawing.rect(x - r, y - r, 2 * r, 2 * r, style, title: title)
    case .diamond:
      // Corners need more room to look as large.
      let r = 1.4 * r
      drawing.path("M\(x.px) \((y - r).px)l\(r.px) \(r.px)l\((-r).px) \(r.px)l\((-r).px) \((-r).px)Z", style, title: title)
    case .up, .down:
      let (r, rise) = (1.3 * r, mark == .up ? 1.3 * r : -1.3 * r)
      drawing.path("M\((x - r).px) \((y + 0.8 * rise).px)h\((2 * r).px)l\((-r).px) \((-1.8 * rise).px)Z", style, title: title)
    }
  }

  /// A mark alone, for a legend.
  static func swatch(_ mark: Mark, _ style: String, title: String) -> String {
    var drawing = Drawing(width: 12, height: 12, label: title)
    draw(mark, 6, 6, style, title: title, in: &drawing)
    return drawing.svg()
  }

  /// Room that is taken, in pixels.
  private struct Box {
    let left: Double, right: Double, top: Double, bottom: Double
    func overlaps(_ other: Box) -> Bool { left < other.right && other.left < right && top < other.bottom && other.top < bottom }
  }

  /// Highest points first. A label stands on a free side of its point; one that would cover another label is left out, and the pointer still
  /// shows it.
  private func drawLabels(in drawing: inout Drawing) {
    let marks = points.map { point in
      let reach = Scatter.radius + 0.5
      return Box(left: x(point.x) - reach, right: x(point.x) + reach, top: y(point.y) - reach, bottom: y(point.y) + reach)
    }
    var labels: [Box] = []
    for point in points.sorted(by: { $0.y > $1.y }) where !point.label.isEmpty {
      let room = 0.58 * labelSize * Double(point.label.count)
      let gap = point.isRinged ? 8.0 : 5
      let (x, y) = (x(point.x), y(point.y))
      let spots: [(x: Double, y: Double, anchor: String)] = [
        (x + gap, y - 4, "start"), (x - gap, y - 4, "end"), (x + gap, y + labelSize, "start"), (x - gap, y + labelSize, "end"),
        (x, y - gap - 3, "middle"), (x, y + gap + labelSize, "middle"),
      ]
      let candidates = spots.map { spot in
        let start = spot.anchor == "start" ? spot.x : spot.anchor == "end" ? spot.x - room : spot.x - room / 2
        return (spot, Box(left: start, right: start + room, top: spot.y - 0.75 * labelSize, bottom: spot.y + 0.1 * labelSize))
      }.filter { _, box in
        box.left > left + 1 && box.right <= width && box.top >= top - 4 && box.bottom < bottom && !labels.contains { $0.overlaps(box) }
      }
      let free = candidates.first { _, box in !marks.contains { $0.overlaps(box) } }
      guard let (spot, box) = free ?? (labelsMayCoverMarks ? candidates.first : nil) else { continue }
      labels.append(box)
      drawing.text(point.label, spot.x, spot.y, "tag", anchor: spot.anchor)
    }
  }
}
