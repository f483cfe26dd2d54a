import JSON

extension ComparisonTable {
  /// {"format": "hoof-comparison", "version": 1, …, "rows": […]}; the base is the first row. Field names of speeds are llama-bench's.
  public var json: JSON {
    [
      "format": "hoof-comparison", "version": 1,
      "data": [
        "path": .string(conditions.dataPath), "sha256": .string(conditions.dataSHA256), "protocol": "windows",
        "window": .int(conditions.window), "bos": .bool(conditions.hasBOS), "windows": .int(conditions.windows),
        "scored_tokens": .int(conditions.scoredTokens),
      ],
      "timing": [
        "warmup": .int(conditions.warmUp), "runs": .int(conditions.runs), "n_prompt": .int(base.prefill.tokens),
        "n_depth": .int(conditions.prefixTokens), "n_gen": .int(base.decode.tokens),
      ],
      "ood": otherText, "heal": healingData, "generation": generationPlan,
      "backend": .string(conditions.backend), "seed": .int(conditions.seed), "seconds": .double(seconds),
      "rows": .array(rows.indices.map(row)),
    ]
  }

  private var otherText: JSON {
    guard let text = conditions.outOfDomain else { return nil }
    return ["path": .string(text.path), "sha256": .string(text.sha256), "scored_tokens": .int(text.scoredTokens)]
  }

  private var healingData: JSON {
    guard let data = conditions.healing else { return nil }
    return [
      "path": .string(data.path), "sha256": .string(data.sha256), "steps": .int(data.steps), "batch": .int(data.batch),
      "max_tokens": .int(data.maxTokens),
    ]
  }

  private var generationPlan: JSON {
    guard let plan = conditions.generation else { return nil }
    return ["prompts": .int(plan.texts), "prompt_tokens": .int(plan.promptTokens), "written_tokens": .int(plan.writtenTokens)]
  }

  private func healing(of row: Row) -> JSON {
    guard let healing = row.healing else { return nil }
    return [
      "kind": .string(healing.kind.rawValue), "cut": .string(healing.cut), "steps": .int(healing.steps), "rate": .double(healing.rate),
      "trained_parameters": .int(healing.trained), "seconds": .double(healing.seconds),
      "recovered_pct": recovery(of: row).map { .double(100 * $0) } ?? nil,
      "ood_recovered_pct": outOfDomainRecovery(of: row).map { .double(100 * $0) } ?? nil,
    ]
  }

  private func generation(of row: Row) -> JSON {
    guard let check = row.generation else { return nil }
    return ["agreement": .double(check.agreement), "prefix": .double(check.prefix), "distinct_3": .double(check.distinct)]
  }

  private func tasks(of row: Row) -> JSON {
    guard !row.tasks.isEmpty else { return nil }
    return .array(
      row.tasks.map { figure in
        [
          "task": .string(figure.task), "metric": .string(figure.metric), "value": .double(figure.value),
          "lost": figure.change.map { .int($0.lost) } ?? nil, "won": figure.change.map { .int($0.won) } ?? nil,
          "p": figure.change.map { .double($0.pValue) } ?? nil, "verdict": figure.change.map { .string($0.verdict) } ?? nil,
        ]
      })
  }

  private func row(_ index: Int) -> JSON {
    let row = rows[index]
    return [
      "name": .string(row.name), "strategy": row.strategy.map { .string($0) } ?? nil, "amount": row.amount.map { .string($0) } ?? nil,
      "path": row.path.map { .string($0) } ?? nil,
      "removed_layers": row.removedLayers.map { .array($0.map { .int($0) }) } ?? nil,
      "layers": .int(row.layers), "parameters": .int(row.parameters),
      "removed_params_pct": .double(100 * removedShare(of: row)), "bytes": .int(row.bytes),
      "perplexity": .double(row.outcome.perplexity), "perplexity_change_pct": .double(100 * perplexityChange(of: row)),
      "kl": .double(row.outcome.meanDivergence), "kl_stderr": .double(row.outcome.divergenceStandardError),
      "top1_agreement": .double(row.outcome.agreement),
      "prefill": speed(row.prefill, base.prefill), "decode": speed(row.decode, base.decode),
      "heal": healing(of: row), "ood_perplexity": row.outOfDomain.map { .double($0.perplexity) } ?? nil,
      "ood_kl": row.outOfDomain.map { .double($0.meanDivergence) } ?? nil, "generation": generation(of: row), "tasks": tasks(of: row),
      "pareto": .array(merits(of: index).map { .string($0.rawValue) }),
    ]
  }

  private func speed(_ own: Throughput, _ base: Throughput) -> JSON {
    let gain = own.speedUp(over: base)
    return [
      "avg_ts": .double(own.mean), "stddev_ts": .double(own.deviation), "samples_ts": .array(own.rates.map { .double($0) }),
      "speed_up": ["median": .double(gain.median), "lower_quartile": .double(gain.lower), "upper_quartile": .double(gain.upper)],
    ]
  }

  /// Of the base's parameters.
  func removedShare(of row: Row) -> Double { 1 - Double(row.parameters) / Double(base.parameters) }
}
