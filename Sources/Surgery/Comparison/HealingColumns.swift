import Pages

/// The columns that a comparison has where cuts were healed, texts of another domain read, texts written, or tasks put to the models: those
/// that were asked for.
public struct HealingColumns {
  private let table: ComparisonTable
  private let columns: [(title: String, cell: (ComparisonTable, ComparisonTable.Row) -> String)]

  public init(_ table: ComparisonTable) {
    self.table = table
    var columns: [(title: String, cell: (ComparisonTable, ComparisonTable.Row) -> String)] = []
    if table.hasHealing {
      columns += [
        ("healed by", { $1.healing.map(\.kind.rawValue) ?? "" }),
        ("in", { _, row in row.healing.flatMap { $0.kind == .none ? nil : NumberText.seconds($0.seconds) } ?? "" }),
        ("perplexity", { HealingColumns.perplexity($1.outcome) }),
        ("recovered", { $0.recovery(of: $1).map(ComparisonTable.percent) ?? "" }),
      ]
    }
    if table.hasOutOfDomain {
      columns.append(("other domain", { $1.outOfDomain.map(HealingColumns.perplexity) ?? "" }))
      if table.hasHealing { columns.append(("recovered there", { $0.outOfDomainRecovery(of: $1).map(ComparisonTable.percent) ?? "" })) }
    }
    if table.hasGeneration {
      columns += [
        ("writes the same", { $1.generation.map { ComparisonTable.percent($0.agreement) } ?? "" }),
        ("same start", { $1.generation.map { ComparisonTable.percent($0.prefix) } ?? "" }),
        ("distinct-3", { $1.generation.map { NumberText.fixed($0.distinct, 2) } ?? "" }),
      ]
    }
    for (index, task) in table.taskNames.enumerated() { columns.append((task, { $1.tasks[index].text })) }
    self.columns = columns
  }

  public var titles: [String] { columns.map(\.title) }
  public func cells(of row: ComparisonTable.Row) -> [String] { columns.map { $0.cell(table, row) } }

  private static func perplexity(_ outcome: Outcome) -> String { NumberText.significant(outcome.perplexity, 4) }

  /// What the columns mean.
  public static func legend(_ table: ComparisonTable) -> String {
    var parts: [String] = []
    if table.hasHealing { parts.append("recovered: share of the cross-entropy lost by the cut that came back") }
    if let text = table.conditions.outOfDomain { parts.append("other domain: perplexity on \(text.path), \(text.scoredTokens) tokens") }
    if let plan = table.conditions.generation, table.hasGeneration {
      parts.append(
        "writes the same: tokens equal to the base's in greedy continuations of \(plan.texts) texts, \(plan.writtenTokens) tokens each; "
          + "same start: share before the first other token; distinct-3: different triples of tokens, 1 for no repetition")
    }
    if !table.taskNames.isEmpty {
      parts.append(
        "\(table.taskNames.joined(separator: ", ")): score, in parentheses questions lost and won against the base, and how likely so "
          + "uneven a count is by chance, Holm-corrected over a row's tasks")
    }
    return parts.isEmpty ? "" : parts.joined(separator: "; ") + "."
  }
}
