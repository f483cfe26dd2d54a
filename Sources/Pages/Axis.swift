import Glibc

/// A value axis with round ticks; logarithmic when the values span more than two decades.
package struct Axis {
  package let lower: Double, upper: Double
  package let isLog: Bool
  package let ticks: [Double]

  /// Values further below the largest than this are drawn at the axis' end: nothing to see there but rounding.
  private static let greatestDecades = 6.0

  /// Nothing measured is larger; what claims to be, or is as small, must not overflow the arithmetic below.
  private static let greatestMagnitude = 1e150

  /// `fromZero`: bars need their foot at zero unless the axis is logarithmic. `logBeyond`: the ratio from which it is.
  package init(_ values: [Double], fromZero: Bool = true, logBeyond: Double = 100, ticks wanted: Int = 4) {
    let finite = values.filter { $0.magnitude < Axis.greatestMagnitude }.map { $0.magnitude < 1 / Axis.greatestMagnitude ? 0 : $0 }
    let top = finite.max() ?? 1
    let positive = finite.filter { $0 > 0 }
    if let least = positive.min(), top / least > logBeyond, finite.allSatisfy({ $0 > -1e-6 * top }) {
      isLog = true
      let first = max((log10(least) - 0.05).rounded(.down), log10(top).rounded(.up) - Axis.greatestDecades)
      lower = pow(10, first)
      upper = Axis.roundUp(top)
      let last = log10(upper)
      let step = max(1, Int((last - first) / Double(wanted + 1) + 0.999))
      let decades = stride(from: first, through: last + 1e-9, by: Double(step)).map { pow(10, $0) }
      let top = upper
      ticks = decades.count > 2 ? decades : decades.flatMap { [$0, 2 * $0, 5 * $0] }.filter { $0 <= top * 1.001 }
      return
    }
    isLog = false
    var low = fromZero ? min(0, finite.min() ?? 0) : finite.min() ?? 0
    var high = fromZero ? max(0, top) : top
    if high <= low {
      (low, high) = fromZero ? (min(low, 0), low + 1) : (low - max(low.magnitude * 0.1, 1e-9), high + max(high.magnitude * 0.1, 1e-9))
    }
    let step = Axis.roundStep((high - low) / Double(wanted))
    let first = (low / step + 1e-9).rounded(.down)
    let last = (high / step - 1e-9).rounded(.up)
    lower = first * step
    upper = last * step
    ticks = stride(from: first, through: last, by: 1).map { $0 * step }
  }

  /// The next of 1, 2, 5 × 10ⁿ.
  private static func roundUp(_ value: Double) -> Double {
    let base = pow(10, log10(value).rounded(.down))
    return [1, 2, 5, 10].first { $0 * base >= value * 0.9999 }! * base
  }

  private static func roundStep(_ rough: Double) -> Double {
    let base = pow(10, log10(max(rough, 1e-300)).rounded(.down))
    return [1, 2, 5, 10].first { $0 * base >= rough * 0.999 }! * base
  }

  /// 0 at the lower end, 1 at the upper; values outside are drawn at the ends.
  package func position(_ value: Double) -> Double {
    let share = isLog ? log10(max(value, lower) / lower) / log10(upper / lower) : (value - lower) / (upper - lower)
    return share.isFinite ? min(1, max(0, share)) : 0
  }
}
