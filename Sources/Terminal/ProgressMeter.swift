/// When and what a progress display prints; clock and width come from outside, so that it can be tested without either.
struct ProgressMeter {
  enum Style: Sendable, Equatable {
    /// A bar redrawn in place, this many columns wide.
    case bar(columns: Int)
    case lines
  }

  private static let silence = 2.0
  private static let redrawInterval = 0.1
  private static let lineInterval = 5.0
  private static let leastLineInterval = 1.0
  private static let lineShare = 0.1

  let title: String
  let total: Double
  let unit: ProgressUnit
  private let start: Double
  private(set) var done = 0.0
  /// Part of `done` that was there before this run: it counts for the bar, not for the rate.
  private var inherited = 0.0
  private var label = ""
  private var lastTime: Double
  private var lastShare = 0.0
  private(set) var hasPrinted = false

  init(title: String, total: Double, unit: ProgressUnit, start: Double) {
    self.title = title
    self.total = max(total, .leastNormalMagnitude)
    self.unit = unit
    self.start = start
    lastTime = start
  }

  mutating func skip(_ amount: Double) {
    inherited += amount
    done += amount
    lastShare = share
  }

  mutating func advance(_ amount: Double, label: String?) {
    done += amount
    if let label { self.label = label.onOneLine }
  }

  /// A sum of many parts falls short of the whole by rounding.
  var share: Double { done >= total * (1 - 1e-9) ? 1 : max(0, done / total) }

  /// What to print now, if anything. Work that is over before anybody wonders prints nothing.
  mutating func text(at now: Double, style: Style) -> String? {
    let elapsed = now - start
    guard elapsed >= ProgressMeter.silence else { return nil }
    switch style {
    case .bar(let columns):
      guard !hasPrinted || now - lastTime >= ProgressMeter.redrawInterval else { return nil }
      mark(now)
      return "\r" + bar(columns: columns, elapsed: elapsed) + "\u{1B}[K"
    case .lines:
      // A log of a day's work must not grow by a line every five seconds, nor one of three seconds have ten.
      let pause = now - lastTime
      let isDue = pause >= max(ProgressMeter.lineInterval, elapsed / 20)
      guard isDue || (pause >= ProgressMeter.leastLineInterval && share - lastShare >= ProgressMeter.lineShare) else { return nil }
      mark(now)
      return "\(title): \(percent), \(facts(elapsed))\n"
    }
  }

  /// Clears the bar, or says how long it took if lines were printed.
  func closing(at now: Double, style: Style) -> String? {
    guard hasPrinted else { return nil }
    switch style {
    case .bar: return "\r\u{1B}[K"
    case .lines: return "\(title): \(share == 1 ? "done" : "stopped at \(percent)") after \(TimeSpan(now - start))\n"
    }
  }

  private mutating func mark(_ now: Double) {
    lastTime = now
    lastShare = share
    hasPrinted = true
  }

  private var percent: String { "\(Int(share * 100)) %" }

  private func facts(_ elapsed: Double) -> String {
    let rate = (done - inherited) / elapsed
    guard rate > 0 else { return "starting" }
    let left = max(0, total - done) / rate
    return "\(unit.rate(rate)), \(TimeSpan(left)) left" + (label.isEmpty ? "" : ", \(label)")
  }

  /// One line of at most `columns - 1` characters: a full line would wrap on some terminals and leave rubbish behind.
  private func bar(columns: Int, elapsed: Double) -> String {
    let room = max(10, columns - 1)
    let right = " \(percent.padded(to: 5, left: true))  \(facts(elapsed))"
    let cells = min(40, room - title.count - 2 - right.count)
    guard cells >= 8 else { return String("\(title)\(right)".prefix(room)) }
    let eighths = Int(share * Double(cells * 8))
    var drawn = String(repeating: "█", count: eighths / 8)
    if eighths % 8 > 0 { drawn.append(["▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8 - 1]) }
    return "\(title) \(drawn.padded(to: cells).replacingSpaces)\(right)"
  }
}

extension String {
  fileprivate var replacingSpaces: String { String(map { $0 == " " ? "░" : $0 }) }
}

/// What the work is measured in, for the rate.
public enum ProgressUnit: Sendable {
  case bytes
  case operations
  /// "layers", "tokens"
  case items(String)

  func rate(_ perSecond: Double) -> String {
    switch self {
    case .bytes: "\(ByteCount(Int(min(perSecond, 1e18))))/s"
    case .operations: "\(LargeCount(perSecond))FLOP/s"
    case .items(let name): "\(LargeCount(perSecond)) \(name)/s"
    }
  }
}
