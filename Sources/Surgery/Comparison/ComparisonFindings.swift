import Pages

extension ComparisonTable {
  /// What the figures say, a sentence each.
  public var findings: [String] {
    ([front(.speed, "faster decoding"), front(.size, "fewer bytes")] + bestByAmount + healings + taskFindings + [unstable]).compactMap(
      \.self)
  }

  private func front(_ tradeoff: Tradeoff, _ gain: String) -> String? {
    guard rows.count > 1, let members = fronts[tradeoff], !members.isEmpty else { return nil }
    let names = rows.indices.filter(members.contains).map { rows[$0].name }
    return "No other model has both lower perplexity and \(gain) than \(ComparisonTable.list(names))."
  }

  /// Where methods removed equally much, which of them did least harm.
  private var bestByAmount: [String] {
    var amounts: [String] = []
    let rows = rows.filter { $0.healing.map { $0.kind == .none } ?? true }
    for row in rows { if let amount = row.amount, !amounts.contains(amount) { amounts.append(amount) } }
    return amounts.compactMap { amount in
      let ranked = rows.filter { $0.amount == amount && $0.strategy != nil && $0.outcome.meanDivergence.isFinite }
        .sorted { $0.outcome.meanDivergence < $1.outcome.meanDivergence }
      guard let best = ranked.first, let worst = ranked.last, ranked.count > 1 else { return nil }
      let equals = ranked.filter { $0.outcome == best.outcome }
      guard equals.count < ranked.count else { return nil }
      let names = ComparisonTable.list(equals.map { $0.strategy ?? "" })
      let layers = Int(amount).map { $0 == 1 ? "one layer" : "\($0) layers" } ?? amount
      return "With \(layers) removed, \(names) \(equals.count == 1 ? "changes" : "change") the predictions least: \(effect(best)); "
        + "\(worst.strategy ?? "") most: \(effect(worst))."
    }
  }

  /// What brought most of each cut's loss back.
  private var healings: [String] {
    rows.filter { $0.healing?.kind == Healing.Kind.none }.compactMap { bare in
      let healed = rows.filter { $0.healing?.cut == bare.name }.compactMap { row in recovery(of: row).map { (row, $0) } }
      guard let best = healed.max(by: { $0.1 < $1.1 }) else { return nil }
      let (row, share) = best
      let other = outOfDomainRecovery(of: row).map { ", and \(ComparisonTable.percent($0)) on text of another domain" } ?? ""
      guard share > 0 else { return "Nothing brings back what \(bare.name) lost." }
      return "Of the cross-entropy that \(bare.name) lost, \(row.healing?.kind.rawValue ?? "") brings back most: "
        + "\(ComparisonTable.percent(share))\(other)."
    }
  }

  /// "71 %"
  public static func percent(_ share: Double) -> String { NumberText.fixed(100 * share, 0) + " %" }

  private func effect(_ row: Row) -> String {
    "KL \(NumberText.significant(row.outcome.meanDivergence)) nats, perplexity \(ComparisonTable.change(perplexityChange(of: row)))"
  }

  private var unstable: String? {
    let names = rows.filter { !$0.outcome.perplexity.isFinite }.map(\.name)
    return names.isEmpty ? nil : "The predictions of \(ComparisonTable.list(names)) are not numbers: the model overflows."
  }

  /// "+3.1 %", "−0.4 %"; factors where percentages are hard to read: "× 12.5".
  public static func change(_ share: Double) -> String {
    guard share.isFinite else { return "–" }
    if share >= 9.995 { return "× " + NumberText.significant(share + 1) }
    let text = NumberText.fixed(100 * share, share.magnitude < 0.0995 ? 2 : 1)
    return (share > 0 && !text.allSatisfy { "0.".contains($0) } ? "+" : "") + text + " %"
  }

  static func list(_ names: [String]) -> String {
    names.count < 2 ? names.joined() : names.dropLast().joined(separator: ", ") + " and " + names.last!
  }
}
