import JSON

public enum MergeError: Error, Sendable, Equatable, CustomStringConvertible {
  case notAPart(path: String, reason: String)
  case differs(path: String, field: String)
  case missing(parts: [Int], count: Int)

  public var description: String {
    switch self {
    case .notAPart(let path, let reason): "\(path): \(reason)"
    case .differs(let path, let field): "\(path): its \(field) differs from the first part's; parts must come from one study"
    case .missing(let parts, let count):
      "part \(parts.prefix(8).map { String($0 + 1) }.joined(separator: ", "))\(parts.count > 8 ? "…" : "") of \(count) is missing"
    }
  }
}

extension AblationReport {
  /// Joins the parts of a sharded study; equal to the report of a single run but for `seconds`, which is the sum of what the parts took.
  public init(merging parts: [(path: String, report: JSON)]) throws(MergeError) {
    var ordered: [Int: (path: String, report: JSON)] = [:]
    for part in parts {
      guard part.report["format"]?.string == "hoof-ablation" else { throw .notAPart(path: part.path, reason: "not a hoof ablation report") }
      guard part.report["version"]?.int == 1 else { throw .notAPart(path: part.path, reason: "a report of another version") }
      guard let number = part.report["shard"]?["index"]?.int, let count = part.report["shard"]?["count"]?.int, number > 0, number <= count,
        count <= StudyOptions.Shard.mostParts
      else {
        throw .notAPart(path: part.path, reason: "not a part of a sharded study (no 'shard')")
      }
      guard ordered.updateValue(part, forKey: number - 1) == nil else {
        throw .notAPart(path: part.path, reason: "part \(number) is given twice")
      }
    }
    guard let first = ordered[0] else { throw .missing(parts: [0], count: parts.first?.report["shard"]?["count"]?.int ?? 1) }
    let count = first.report["shard"]?["count"]?.int ?? 1
    let missing = (0..<count).filter { ordered[$0] == nil }
    guard missing.isEmpty else { throw .missing(parts: missing, count: count) }
    for part in ordered.values {
      guard part.report["shard"]?["count"] == first.report["shard"]?["count"] else { throw .differs(path: part.path, field: "shard count") }
      for (field, key) in [
        ("model", "fingerprint"), ("calibration", "sha256"), ("calibration", "max_tokens"), ("calibration", "tokens"), ("shard", "study"),
      ] {
        guard part.report[field]?[key] == first.report[field]?[key] else { throw .differs(path: part.path, field: "\(field).\(key)") }
      }
      guard part.report["ablation"] == first.report["ablation"] else { throw .differs(path: part.path, field: "ablation") }
    }
    json = AblationReport.join((0..<count).map { ordered[$0]!.report })
  }

  private static func join(_ parts: [JSON]) -> JSON {
    var report = JSON.Object()
    for (name, value) in parts[0].object!.members where !["shard", "profile"].contains(name) {
      switch name {
      case "seconds": report[name] = .double(parts.reduce(0) { $0 + ($1[name]?.double ?? 0) })
      case _ where componentSections.contains(name):
        report[name] = .array(parts.flatMap { $0[name]?.array ?? [] }.sorted { place($0).lexicographicallyPrecedes(place($1)) })
      default: report[name] = value
      }
      // Where a single run has its correlations: after the blocks of the angular distance.
      if name == "blocks" { report["proxy_correlation"] = correlations(report["layers"]?.array ?? []) }
    }
    // A single run also measures which layers can go together; that takes the model.
    report["critical"] = critical(report)
    return .object(report)
  }

  private static func place(_ entry: JSON) -> [Int] {
    [entry["layer"]?.int ?? 0, entry["head"]?.int ?? entry["kv_group"]?.int ?? (entry["part"]?.string == "mlp" ? 1 : 0)]
  }
}
