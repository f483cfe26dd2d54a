/// A number for Prometheus.
public struct Measure: Sendable {
  public enum Kind: String, Sendable { case counter, gauge }
  public let name: String
  public let kind: Kind
  public let help: String
  public let value: Double

  public init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    (self.name, self.kind, self.help, self.value) = (name, kind, help, value)
  }
}

/// How often a time fell below each of some bounds.
struct Histogram: Sendable {
  let bounds: [Double]
  private(set) var counts: [Int]
  private(set) var sum = 0.0
  private(set) var count = 0

  init(_ bounds: [Double]) {
    self.bounds = bounds
    counts = [Int](repeating: 0, count: bounds.count)
  }

  mutating func add(_ value: Double) {
    sum += value
    count += 1
    // Each bucket counts all that is not above its bound.
    for (index, bound) in bounds.enumerated() where value <= bound { counts[index] += 1 }
  }
}

/// The text format of Prometheus, version 0.0.4: all samples of a name stand together below its help and type.
struct PrometheusText {
  private(set) var text = ""

  /// - Parameter kind: "counter", "gauge" or "histogram".
  mutating func begin(_ name: String, _ kind: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
  }

  mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
    text += "\(name)\(list.isEmpty ? "" : "{\(list)}") \(Self.number(value))\n"
  }

  mutating func histogram(_ name: String, _ labels: [(String, String)], _ histogram: Histogram) {
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      sample("\(name)_bucket", labels + [("le", Self.number(bound))], Double(count))
    }
    sample("\(name)_bucket", labels + [("le", "+Inf")], Double(histogram.count))
    sample("\(name)_sum", labels, histogram.sum)
    sample("\(name)_count", labels, Double(histogram.count))
  }

  private static func number(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }

  private static func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\"": out += "\\\""
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
