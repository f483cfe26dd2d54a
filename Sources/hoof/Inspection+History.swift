import JSON
import Terminal

extension Inspection {
  /// A line for each cut: "1. greedy: 9 → 7 layers, kept 0-3, 5, 7-8; without layer 4, layer 6; KL 0.06766 nats, …".
  var history: String {
    source.history.enumerated().map { step, entry in
      "  \(step + 1). \(entry["method"]?.string ?? "?"): \(Inspection.story(entry).joined(separator: "; "))".onOneLine + "\n"
    }.joined()
  }

  /// What one cut did, in the order a reader asks: what is left, what went, what it cost, where that is written.
  private static func story(_ entry: JSON) -> [String] {
    var parts: [String] = []
    var told: Set = ["method", "original_layers"]
    func tell(_ names: String..., as text: String?) {
      guard let text else { return }
      told.formUnion(names)
      parts.append(text)
    }
    func number(_ name: String, _ places: Int) -> String? { entry[name]?.double?.fixed(places) }
    /// {"0": 352, "3": 320} → "352 of layer 0, 320 of layer 3"
    func counts(_ name: String) -> String? {
      entry[name]?.object?.members.map { "\($0.1.int ?? 0) of layer \($0.0)" }.joined(separator: ", ")
    }
    if let before = entry["layers_before"]?.int, let kept = entry["kept_layers"]?.array?.compactMap(\.int) {
      tell("layers_before", "kept_layers", as: "\(before) → \(kept.count) layers, kept \(ranges(kept))")
    }
    tell("removes", as: entry["removes"]?.array.map { "without " + $0.compactMap(\.string).joined(separator: ", ") })
    tell("kept_heads", as: counts("kept_heads").map { "heads kept: \($0)" })
    tell("kept_neurons", as: counts("kept_neurons").map { "neurons kept: \($0)" })
    if let before = entry["hidden_size_before"]?.int, let after = entry["hidden_size"]?.int {
      tell("hidden_size_before", "hidden_size", "width", as: "width \(before) → \(after)")
    }
    tell(
      "captured",
      as: entry["captured"]?.array?.compactMap(\.double).min().map { "at least \((100 * $0).fixed(1)) % of the stream captured" })
    tell(
      "patched_layers", as: entry["patched_layers"]?.array.map { "patched before layer \(ranges($0.compactMap(\.int)))" })
    tell("kl", as: number("kl", 5).map { "KL \($0) nats" })
    let before = number("perplexity_before", 3).map { "\($0) → " } ?? ""
    tell("perplexity", "perplexity_before", as: number("perplexity", 3).map { "perplexity \(before)\($0)" })
    for (name, title) in [("loss", "loss"), ("held_out_loss", "held-out loss")] {
      let before = number("\(name)_before", 3).map { "\($0) → " } ?? ""
      tell(name, "\(name)_before", as: number(name, 3).map { "\(title) \(before)\($0)" })
    }
    for name in ["plan", "calibration", "data", "teacher", "source"] {
      tell(name, as: entry[name]?.string.map { "\(name) \($0.prefix(12))" })
    }
    for (name, value) in entry.object?.members.map(\.self) ?? [] where !told.contains(name) {
      parts.append("\(name) \(value.string ?? value.text())")
    }
    return parts
  }
}
