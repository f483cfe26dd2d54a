import Glibc

/// Numbers as a figure shows them.
package enum NumberText {
  /// `digits` significant digits without an exponent where that is readable, 1.2×10⁻⁵ otherwise; "–" for what is not a number.
  package static func significant(_ value: Double?, _ digits: Int = 3) -> String {
    guard let value, value.isFinite else { return "–" }
    guard value != 0 else { return "0" }
    let size = value.magnitude
    guard size >= 1e-4, size < 1e7 else {
      let power = Int(log10(size).rounded(.down))
      let mantissa = fixed(value / pow(10, Double(power)), max(0, digits - 1))
      return "\(mantissa)×10\(superscript(power))"
    }
    let power = Int(log10(size).rounded(.down))
    return fixed(value, min(8, max(0, digits - 1 - power)))
  }

  package static func fixed(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e9 else { return value.isFinite ? "\(value)" : "–" }
    let digits = String(UInt64((value.magnitude * pow(10, Double(places))).rounded()))
    let sign = value < 0 && digits.contains { $0 != "0" } ? "−" : ""
    guard places > 0 else { return sign + digits }
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    return sign + padded.dropLast(places) + "." + padded.suffix(places)
  }

  /// Few characters, for ticks: 0.001, 10⁻⁵, 2000.
  package static func tick(_ value: Double) -> String {
    let size = value.magnitude
    guard size.isFinite else { return "–" }
    guard size != 0 else { return "0" }
    if size >= 1e-3, size < 1e5 {
      var places = 0
      while places < 6, (value * pow(10, Double(places)) - (value * pow(10, Double(places))).rounded()).magnitude > 1e-6 * size {
        places += 1
      }
      return fixed(value, places)
    }
    let power = Int((log10(size) + 1e-9).rounded(.down))
    let mantissa = value / pow(10, Double(power))
    guard mantissa.isFinite else { return "0" }
    let front =
      (mantissa - 1).magnitude < 1e-6 ? "" : (mantissa + 1).magnitude < 1e-6 ? "−" : tick((mantissa * 1000).rounded() / 1000) + "×"
    return "\(front)10\(superscript(power))"
  }

  package static func percent(_ share: Double?) -> String {
    guard let share, share.isFinite else { return "–" }
    return significant(share * 100, share >= 0.9995 || share == 0 ? 3 : share < 0.1 ? 2 : 3) + " %"
  }

  /// "1 654": groups of three with a thin space.
  package static func grouped(_ count: Int) -> String {
    var digits = ""
    for (place, digit) in String(count.magnitude).reversed().enumerated() {
      if place > 0, place % 3 == 0 { digits.append("\u{202F}") }
      digits.append(digit)
    }
    return (count < 0 ? "−" : "") + String(digits.reversed())
  }

  package static func seconds(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "–" }
    if seconds < 60 { return significant(seconds, seconds < 10 ? 2 : 3) + " s" }
    let whole = Int(seconds.rounded())
    return whole < 3600 ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole % 3600 / 60) min"
  }

  private static func superscript(_ number: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return (number < 0 ? "⁻" : "") + String(String(number.magnitude).compactMap(\.wholeNumberValue).map { digits[$0] })
  }
}
