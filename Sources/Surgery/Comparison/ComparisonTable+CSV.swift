extension ComparisonTable {
  /// RFC 4180 with line feeds: a header, then one line for each row; numbers in full, no units.
  public var csv: String {
    let columns: [(name: String, cell: (Int, Row) -> String)] =
      [
        ("name", { $1.name }), ("strategy", { $1.strategy ?? "" }), ("amount", { $1.amount ?? "" }), ("path", { $1.path ?? "" }),
        ("removed_layers", { ($1.removedLayers ?? []).map(String.init).joined(separator: " ") }), ("layers", { "\($1.layers)" }),
        ("parameters", { "\($1.parameters)" }), ("removed_params_pct", { Self.cell(100 * removedShare(of: $1)) }),
        ("bytes", { "\($1.bytes)" }), ("perplexity", { Self.cell($1.outcome.perplexity) }),
        ("perplexity_change_pct", { Self.cell(100 * perplexityChange(of: $1)) }), ("kl", { Self.cell($1.outcome.meanDivergence) }),
        ("kl_stderr", { Self.cell($1.outcome.divergenceStandardError) }), ("top1_agreement", { Self.cell($1.outcome.agreement) }),
        ("prefill_avg_ts", { Self.cell($1.prefill.mean) }), ("prefill_stddev_ts", { Self.cell($1.prefill.deviation) }),
        ("decode_avg_ts", { Self.cell($1.decode.mean) }), ("decode_stddev_ts", { Self.cell($1.decode.deviation) }),
        ("prefill_speed_up", { Self.cell($1.prefill.speedUp(over: base.prefill).median) }),
        ("decode_speed_up", { Self.cell($1.decode.speedUp(over: base.decode).median) }),
        ("heal", { $1.healing?.kind.rawValue ?? "" }), ("heal_steps", { $1.healing.map { "\($0.steps)" } ?? "" }),
        ("heal_seconds", { $1.healing.map { Self.cell($0.seconds) } ?? "" }),
        ("recovered_pct", { recovery(of: $1).map { Self.cell(100 * $0) } ?? "" }),
        ("ood_perplexity", { $1.outOfDomain.map { Self.cell($0.perplexity) } ?? "" }),
        ("ood_recovered_pct", { outOfDomainRecovery(of: $1).map { Self.cell(100 * $0) } ?? "" }),
        ("written_agreement", { $1.generation.map { Self.cell($0.agreement) } ?? "" }),
        ("written_prefix", { $1.generation.map { Self.cell($0.prefix) } ?? "" }),
        ("written_distinct_3", { $1.generation.map { Self.cell($0.distinct) } ?? "" }),
      ] + taskColumns + [
        ("pareto", { index, _ in merits(of: index).map(\.rawValue).joined(separator: " ") })
      ]
    let lines = [columns.map(\.name)] + rows.enumerated().map { index, row in columns.map { $0.cell(index, row) } }
    return lines.map { $0.map(Self.quoted).joined(separator: ",") + "\n" }.joined()
  }

  private var taskColumns: [(name: String, cell: (Int, Row) -> String)] {
    taskNames.enumerated().flatMap { index, task -> [(name: String, cell: (Int, Row) -> String)] in
      [
        (task, { Self.cell($1.tasks[index].value) }), ("\(task)_lost", { $1.tasks[index].change.map { "\($0.lost)" } ?? "" }),
        ("\(task)_won", { $1.tasks[index].change.map { "\($0.won)" } ?? "" }),
        ("\(task)_p", { $1.tasks[index].change.map { Self.cell($0.pValue) } ?? "" }),
      ]
    }
  }

  /// Nothing where a figure is not a number: a spreadsheet would take "nan" for text and spoil its column.
  private static func cell(_ value: Double) -> String { value.isFinite ? "\(value)" : "" }

  private static func quoted(_ text: String) -> String {
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
