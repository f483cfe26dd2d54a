/// A count of bytes as people read it: "812 B", "1.50 GiB".
public struct ByteCount: Sendable, CustomStringConvertible {
  public let bytes: Int
  public init(_ bytes: Int) { self.bytes = bytes }
  public var description: String {
    var value = Double(bytes)
    guard value.magnitude >= 1024 else { return "\(bytes) B" }
    for unit in ["KiB", "MiB", "GiB", "TiB"] {
      value /= 1024
      if value.magnitude < 1024 || unit == "TiB" {
        return value.fixed(value.magnitude < 10 ? 2 : value.magnitude < 100 ? 1 : 0) + " " + unit
      }
    }
    return "\(bytes) B"
  }
}

/// A large count as people read it: "950", "15.7 M", "1.24 G".
public struct LargeCount: Sendable, CustomStringConvertible {
  public let value: Double
  public init(_ value: Double) { self.value = value }
  public init(_ value: Int) { self.value = Double(value) }
  public var description: String {
    guard value.magnitude >= 1000 else { return value == value.rounded() ? value.fixed(0) : value.fixed(value.magnitude < 10 ? 2 : 1) }
    var rest = value
    for unit in ["k", "M", "G", "T", "P"] {
      rest /= 1000
      if rest.magnitude < 999.5 || unit == "P" { return rest.fixed(rest.magnitude < 10 ? 2 : rest.magnitude < 100 ? 1 : 0) + " " + unit }
    }
    return "\(value)"
  }
}

/// Seconds as people read them: "0.8 s", "42 s", "3 min 20 s", "2 h 05 min".
public struct TimeSpan: Sendable, CustomStringConvertible {
  public let seconds: Double
  public init(_ seconds: Double) { self.seconds = seconds }
  public var description: String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
    if seconds < 9.95 { return seconds.fixed(1) + " s" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    let pair = whole < 3600 ? (whole / 60, "min", whole % 60, "s") : (whole / 3600, "h", whole % 3600 / 60, "min")
    return "\(pair.0) \(pair.1) \(pair.2 < 10 ? "0" : "")\(pair.2) \(pair.3)"
  }
}

extension Double {
  /// Rounded to `places` decimals, at most 6, never in scientific notation below 1e12.
  public func fixed(_ places: Int) -> String {
    guard isFinite, places <= 6, magnitude < 1e12 else { return "\(self)" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let digits = String(UInt64((magnitude * scale).rounded()))
    let sign = self < 0 && digits.contains(where: { $0 != "0" }) ? "-" : ""
    guard places > 0 else { return sign + digits }
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    return sign + padded.dropLast(places) + "." + padded.suffix(places)
  }
}
