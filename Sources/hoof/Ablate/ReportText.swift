import JSON
import Terminal

/// A report for people at a terminal.
enum ReportText {
  static func text(_ report: JSON) -> String {
    let sections = [
      header(report), layers(report), extremes(report), correlations(report), critical(report), safe(report), suggestion(report),
    ]
    return sections.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private static func number(_ value: JSON?, _ places: Int) -> String {
    guard let value = value?.double else { return "-" }
    return abs(value) >= 1e6 ? "\(Float(value))" : value.fixed(places)
  }

  private static func header(_ report: JSON) -> String {
    let calibration = report["calibration"]
    let baseline = report["baseline"]
    return "\(report["model"]?["path"]?.string ?? ""): perplexity \(number(baseline?["perplexity"], 4)) on "
      + "\(calibration?["prompts"]?.int ?? 0) prompts, \(calibration?["tokens"]?.int ?? 0) tokens "
      + "(at most \(calibration?["max_tokens"]?.int ?? 0) each)\n"
  }

  /// One row per layer, and the columns that were measured.
  private static func layers(_ report: JSON) -> String {
    let entries = report["layers"]?.array ?? []
    let columns: [(title: String, key: String, places: Int)] = [
      ("layer", "layer", 0), ("KL, nats", "kl", 5), ("±", "kl_stderr", 5), ("perplexity", "perplexity", 3),
      ("same top-1", "top1_agreement", 3),
      ("block influence", "block_influence", 4), ("angular", "angular_distance", 4), ("magnitude", "weight_magnitude", 4),
      ("attention norm", "attention_norm", 3),
    ].filter { column in entries.contains { $0[column.key] != nil } }
    let rows = [columns.map(\.title)] + entries.map { entry in columns.map { number(entry[$0.key], $0.places) } }
    let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in zip(row, widths).map { $0.padded(to: $1, left: true) }.joined(separator: "  ") + "\n" }.joined()
  }

  /// The least and the most important of everything that was measured one by one.
  private static func extremes(_ report: JSON) -> String {
    var lines: [String] = []
    for (section, noun) in [("sublayers", "sublayers"), ("heads", "heads"), ("kv_groups", "KV groups")] {
      guard let entries = report[section]?.array, !entries.isEmpty else { continue }
      let ranked = entries.sorted { ($0["kl"]?.double ?? 0) < ($1["kl"]?.double ?? 0) }
      let list = { (part: [JSON]) in part.map { "\(label($0)) (\(number($0["kl"], 5)))" }.joined(separator: ", ") }
      lines.append("\(noun), least KL: \(list(Array(ranked.prefix(4))))\n\(noun), most KL:  \(list(ranked.suffix(4).reversed()))\n")
    }
    return lines.joined()
  }

  private static func label(_ entry: JSON) -> String {
    let layer = entry["layer"]?.int ?? 0
    if let part = entry["part"]?.string { return "\(layer) \(part)" }
    return "\(layer).\(entry["head"]?.int ?? entry["kv_group"]?.int ?? 0)"
  }

  private static func correlations(_ report: JSON) -> String {
    guard let proxies = report["proxy_correlation"]?.object, proxies.count > 0 else { return "" }
    let list = proxies.members.map { "\($0.0) \(number($0.1["spearman"], 2))" }
    return "rank correlation with the measured KL (Spearman): \(list.joined(separator: ", "))\n"
  }

  /// Most parts that are named.
  private static let mostCritical = 12

  private static func critical(_ report: JSON) -> String {
    guard let section = report["critical"] else { return "" }
    let parts = (section["layers"]?.array ?? []) + (section["sublayers"]?.array ?? [])
    let limits = "perplexity × \(number(section["perplexity_factor_limit"], 1)) or KL \(number(section["kl_limit"], 1))"
    if parts.isEmpty { return "never remove: nothing measured is critical, from \(limits) on\n" }
    let names = parts.prefix(mostCritical).map { part in
      let name = "\(part["layer"]?.int ?? 0)" + (part["part"]?.string.map { " \($0)" } ?? "")
      return "\(name) (× \(number(part["perplexity_factor"], 2)), KL \(number(part["kl"], 3)))"
    }
    let more = parts.count > mostCritical ? " and \(parts.count - mostCritical) more" : ""
    return "never remove: \(names.joined(separator: ", "))\(more); from \(limits) on\n"
  }

  private static func safe(_ report: JSON) -> String {
    guard let section = report["safe"], let layers = section["layers"]?.array?.compactMap(\.int) else { return "" }
    let evidence = section["evidence"]?.string ?? ""
    if layers.isEmpty { return "safe to remove: no layer; \(evidence)\n" }
    return "safe to remove\(layers.count > 1 ? " together" : ""): \(layers.map(String.init).joined(separator: ", ")); \(evidence)\n"
  }

  private static func suggestion(_ report: JSON) -> String {
    guard let layers = report["suggested_drop"]?.array?.compactMap(\.int), !layers.isEmpty else { return "" }
    let last = report["drop_steps"]?.array?.last
    return "suggested drop: layers \(layers.map(String.init).joined(separator: ", ")) "
      + "(KL \(number(last?["kl"], 5)), perplexity \(number(last?["perplexity"], 3)))\n"
  }
}
