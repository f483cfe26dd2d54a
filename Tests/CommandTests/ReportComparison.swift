import JSON

/// How far the numbers of two ways to one report may be apart. What is no measurement (names, counts, the order of drops) must be equal.
struct ReportComparison {
  /// Of every measurement, relative to the other report's.
  let relative: Double
  /// Beside it: what rounding leaves of a number that is nearly nothing.
  let absolute: Double
  /// Positions that may change sides: the first of two nearly equal logits, an activation at the threshold of firing.
  let positions: Double
  /// Keys whose numbers depend on the order of nearly equal ones.
  var leftOut: Set<String> = []

  /// Keys that may differ between two backends whatever the numbers.
  /// Sentences and differences are made of numbers that are compared.
  static let unrelated: Set<String> = ["seconds", "backend", "profile", "reason", "evidence", "perplexity_increase"]

  /// One line for each difference beyond that, and the largest relative one of each key.
  func differences(_ own: JSON, from other: JSON) -> (complaints: [String], largest: [String: Double]) {
    var walk = Walk(comparison: self, tokens: other["calibration"]?["tokens"]?.double ?? 1)
    walk.compare(own, other, key: "", at: "report")
    return (walk.complaints, walk.largest)
  }

  private struct Walk {
    let comparison: ReportComparison
    let tokens: Double
    var complaints: [String] = []
    var largest: [String: Double] = [:]

    mutating func compare(_ own: JSON, _ other: JSON, key: String, at path: String) {
      if ReportComparison.unrelated.contains(key) || comparison.leftOut.contains(key) { return }
      switch (own, other) {
      case (.object(let a), .object(let b)):
        if a.names != b.names { complaints.append("\(path): \(a.names) for \(b.names)") }
        for (name, value) in a.members { if let theirs = b[name] { compare(value, theirs, key: name, at: "\(path).\(name)") } }
      case (.array(let a), .array(let b)):
        if a.count != b.count { complaints.append("\(path): \(a.count) elements for \(b.count)") }
        for (index, pair) in zip(a, b).enumerated() { compare(pair.0, pair.1, key: key, at: "\(path)[\(index)]") }
      case (.double, _), (_, .double): number(own.double ?? .nan, other.double ?? .nan, key: key, at: path)
      default: if own != other { complaints.append("\(path): \(own.text()) for \(other.text())") }
      }
    }

    private mutating func number(_ a: Double, _ b: Double, key: String, at path: String) {
      let distance = abs(a - b)
      let isShare = key == "top1_agreement" || key == "firing_rate"
      let limit = isShare ? (comparison.positions + 1e-6) / tokens : comparison.relative * abs(b) + comparison.absolute
      // Not the other way round, so that NaN complains.
      if !(distance <= limit) { complaints.append("\(path): \(a) for \(b)") }
      let relative = isShare ? distance * tokens : max(0, distance - comparison.absolute) / max(abs(b), 1e-30)
      largest[key] = max(largest[key] ?? 0, relative)
    }
  }
}
