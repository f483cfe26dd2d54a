import Pages

/// Paired figures as people read them.
enum PairedWords {
  /// Four places, as the harness prints shares; four digits of anything else.
  static func figure(_ value: Double, isShare: Bool) -> String {
    isShare && value.magnitude < 10 ? NumberText.fixed(value, 4) : NumberText.significant(value, 5)
  }

  static func signed(_ value: Double, isShare: Bool) -> String {
    let text = figure(value, isShare: isShare)
    return value > 0 ? "+" + text : text
  }

  static func interval(_ pair: PairedDifference, isShare: Bool) -> String {
    guard let interval = pair.interval else { return "" }
    return "[\(signed(interval.lowerBound, isShare: isShare)), \(signed(interval.upperBound, isShare: isShare))]"
  }

  static func probability(_ pair: PairedDifference) -> String {
    let p = pair.adjustedPValue ?? pair.pValue
    return p < 0.0001 ? "<0.0001" : NumberText.fixed(p, 4)
  }

  static func retained(_ pair: PairedDifference) -> String {
    pair.retained.map { $0 < 9.9995 ? NumberText.fixed(100 * $0, 1) + " %" : NumberText.significant(100 * $0) + " %" } ?? "–"
  }

  static func divergence(_ row: TaskPairing.Row) -> String { row.divergence.map { NumberText.significant($0.mean) } ?? "" }

  /// One word or two: the legend has the sentence.
  static func verdict(_ pair: PairedDifference) -> String { pair.verdict == .noEvidenceOfHarm ? "no evidence" : pair.verdict.rawValue }

  /// "acc", "exact_match strict-match"
  static func metric(_ key: String) -> String {
    let parts = key.split(separator: ",", maxSplits: 1)
    return parts.count == 2 && parts[1] != "none" ? "\(parts[0]) \(parts[1])" : String(parts.first ?? "")
  }

  /// "acc", "strict-match": where there is a filter, it is what tells the figures of a task apart.
  static func shortMetric(_ key: String) -> String {
    let parts = key.split(separator: ",", maxSplits: 1)
    return String(parts.count == 2 && parts[1] != "none" ? parts[1] : parts.first ?? "")
  }

  static let legend =
    "Lost, won: questions that the cut answers worse, and better, than the base. p: exact sign test over them (McNemar's where answers are right "
    + "or wrong), Holm-corrected: the tasks of a group with each other, and what is in no group with each other. Interval: 95 %, paired "
    + "bootstrap. KL(base ‖ cut): mean over the scored positions, nats. Kept: cut / base, or base / cut where less is better. No evidence: no "
    + "evidence of harm at this sample size (p ≥ 0.05)."

  /// A sentence each for what is in no group: its main metric.
  static func findings(_ pairing: TaskPairing) -> [String] {
    pairing.rows.filter { $0.depth == 0 }.compactMap { row in
      guard let pair = row.differences.first, let isShare = row.areShares.first else { return nil }
      return sentence(row, pair, isShare) + subjects(of: row, in: pairing)
    }
  }

  /// The same of one model of several, in one paragraph: tasks in which nothing shows are only named.
  static func summary(_ pairing: TaskPairing) -> String {
    var (sentences, unharmed, empty): ([String], [String], [String]) = ([], [], [])
    for row in pairing.rows where row.depth == 0 {
      guard let pair = row.differences.first, let isShare = row.areShares.first else { continue }
      if pair.verdict != .noEvidenceOfHarm || lostTasks(of: row, in: pairing)?.lost.isEmpty == false {
        sentences.append(sentence(row, pair, isShare) + subjects(of: row, in: pairing))
      } else if hasNothingToLose(pair, isShare) {
        empty.append(row.alias)
      } else {
        unharmed.append(row.alias)
      }
    }
    if !unharmed.isEmpty { sentences.append("No evidence of harm at this sample size in \(unharmed.joined(separator: ", ")).") }
    if !empty.isEmpty { sentences.append("Nothing to lose in \(empty.joined(separator: ", ")).") }
    return "\(pairing.cut): " + sentences.joined(separator: " ")
  }

  private static func hasNothingToLose(_ pair: PairedDifference, _ isShare: Bool) -> Bool {
    isShare && pair.isHigherBetter && pair.base == 0
  }

  private static func sentence(_ row: TaskPairing.Row, _ pair: PairedDifference, _ isShare: Bool) -> String {
    let name = "\(row.alias) (\(metric(pair.metric)))"
    let change = "\(figure(pair.base, isShare: isShare)) → \(figure(pair.cut, isShare: isShare))"
    let interval = interval(pair, isShare: isShare)
    let flips =
      "\(NumberText.grouped(pair.lost)) of \(NumberText.grouped(pair.questions)) questions lost, \(NumberText.grouped(pair.won)) won"
    let figures = "\(change), difference \(signed(pair.difference, isShare: isShare))\(interval.isEmpty ? "" : " " + interval)"
    switch pair.verdict {
    case .lost: return "\(name): lost, \(figures); \(flips)."
    case .gained: return "\(name): gained, \(figures); \(flips)."
    case .mixed: return "\(name): mixed, \(figures), though \(flips)."
    case .noEvidenceOfHarm where hasNothingToLose(pair, isShare):
      return
        "\(name): nothing to lose, the base has none of \(NumberText.grouped(pair.questions)) right; \(NumberText.grouped(pair.won)) won."
    case .noEvidenceOfHarm:
      let change =
        pair.lost + pair.won == 0
        ? "\(change); none of \(NumberText.grouped(pair.questions)) answers changed" : "\(figures); \(flips)"
      return "\(name): no evidence of harm at this sample size, \(change)\(power(of: pair, isShare))."
    }
  }

  /// What the sample would have shown; nothing where the test cannot say.
  private static func power(of pair: PairedDifference, _ isShare: Bool) -> String {
    switch pair.sensitivity {
    case .loss(let loss):
      "; a loss of \(figure(loss, isShare: isShare)) would have shown four times of five"
        + (pair.adjustedPValue == nil ? "" : " if tested alone (uncorrected)")
    case .tooFewQuestions: "; too few right answers to show any loss"
    case nil: ""
    }
  }

  /// Tasks of a group, by its main metric; nil for what is no group of several.
  private static func lostTasks(of row: TaskPairing.Row, in pairing: TaskPairing) -> (count: Int, lost: [String])? {
    guard row.isGroup, let start = pairing.rows.firstIndex(where: { $0.name == row.name }), let key = row.differences.first?.metric else {
      return nil
    }
    let tasks = pairing.rows[(start + 1)...].prefix { $0.depth > row.depth }.filter { !$0.isGroup }
    let lost = tasks.filter { task in task.differences.contains { $0.metric == key && $0.verdict == .lost } }
    return tasks.count > 1 ? (tasks.count, lost.map(\.alias)) : nil
  }

  /// How many tasks of a group lost, and which.
  private static func subjects(of row: TaskPairing.Row, in pairing: TaskPairing) -> String {
    guard let (count, lost) = lostTasks(of: row, in: pairing) else { return "" }
    let names = lost.isEmpty ? "" : " (\(lost.prefix(6).joined(separator: ", "))\(lost.count > 6 ? ", …" : ""))"
    return " Of its \(count) tasks \(lost.isEmpty ? "none" : "\(lost.count)") lost by \(lost.count > 1 ? "themselves" : "itself")\(names)."
  }
}
