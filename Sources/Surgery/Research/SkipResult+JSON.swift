import JSON

extension SkipResult {
  /// What the result was measured on, for a report.
  public struct Subject: Sendable {
    public struct Texts: Sendable {
      public let path: String, sha256: String
      public init(path: String, sha256: String) { (self.path, self.sha256) = (path, sha256) }
    }
    public let path: String, fingerprint: String
    public let calibration: Texts, data: Texts
    public let maxTokens: Int
    public let backend: String
    public let seconds: Double

    public init(
      path: String, fingerprint: String, calibration: Texts, data: Texts, maxTokens: Int, backend: String, seconds: Double
    ) {
      (self.path, self.fingerprint, self.calibration, self.data) = (path, fingerprint, calibration, data)
      (self.maxTokens, self.backend, self.seconds) = (maxTokens, backend, seconds)
    }
  }

  /// {"format": "hoof-research-skip", "version": 1, …}. Sets are named by their place in `sets`.
  public func json(_ subject: Subject) -> JSON {
    let options = study.options
    return [
      "format": "hoof-research-skip", "version": 1, "research": true,
      "model": [
        "path": .string(subject.path), "fingerprint": .string(subject.fingerprint), "layers": .int(study.model.layers.count),
      ],
      "calibration": texts(subject.calibration, study.calibration, short: study.shortCalibration),
      "data": texts(subject.data, study.heldOut, short: study.shortHeldOut, shared: study.shared),
      "drop": .int(options.drop), "prompt_tokens": .int(options.promptTokens), "max_tokens": .int(subject.maxTokens),
      "depth": .int(options.depth), "pool": .string(options.pool.rawValue), "seed": .int(options.seed),
      "resamples": .int(SkipOptions.resamples), "draws": .int(SkipOptions.draws),
      "baseline": ["cross_entropy": .double(whole.crossEntropy), "perplexity": JSON(measured: whole.perplexity)],
      "scored_positions": .int(whole.positions),
      "sets": .array(candidates.sets.indices.map(set)),
      "clusters": .array(clusterChoices.indices.map(cluster)),
      "regression": regression.map { ["penalty": JSON(measured: $0.penalty), "explained": .double($0.explained)] } ?? nil,
      "routers": .array(rows.map(router)),
      "findings": .array(findings.map { .string($0) }),
      "backend": .string(subject.backend), "seconds": .double(subject.seconds),
    ]
  }

  private func texts(_ source: Subject.Texts, _ used: [[Int32]], short: Int, shared: Int? = nil) -> JSON {
    var object: JSON.Object = [
      "path": .string(source.path), "sha256": .string(source.sha256), "texts": .int(used.count),
      "tokens": .int(used.reduce(0) { $0 + $1.count }), "too_short": .int(short),
    ]
    if let shared { object["also_in_calibration"] = .int(shared) }
    return .object(object)
  }

  private func set(_ index: Int) -> JSON {
    [
      "layers": .array(candidates.sets[index].sorted().map { .int($0) }),
      "calibration_kl": JSON(measured: calibration[index].meanDivergence),
      "kl": JSON(measured: heldOut[index].meanDivergence), "routable": .bool(candidates.routable.contains(index)),
    ]
  }

  private func cluster(_ index: Int) -> JSON {
    [
      "calibration_texts": .int(candidates.clusters.assignments.count { $0 == index }), "texts": .int(assignments.count { $0 == index }),
      "found": candidates.clusterSets.map { .int($0[index]) } ?? nil, "chosen": .int(clusterChoices[index]),
    ]
  }

  private func router(_ row: Row) -> JSON {
    var object: JSON.Object = [
      "name": .string(row.router.rawValue), "kl": JSON(measured: row.figures.meanDivergence),
      "kl_stderr": JSON(measured: row.standardError),
      "cross_entropy": JSON(measured: row.figures.crossEntropy), "perplexity": JSON(measured: row.perplexity),
      "top1_agreement": .double(row.figures.agreement), "layer_passes_per_token": .double(row.layerPasses),
      "chosen": .array(row.routing.frequencies.map { .double($0) }),
    ]
    if let choices = row.routing.choices { object["choices"] = .array(choices.map { .int($0) }) }
    if row.router == .random { object["kl_deviation_of_draws"] = JSON(measured: randomDeviation) }
    if let verdict = row.verdict {
      object["difference"] = [
        "kl": JSON(measured: row.difference), "lower": row.interval.map { .double($0.lowerBound) } ?? nil,
        "upper": row.interval.map { .double($0.upperBound) } ?? nil, "verdict": .string(verdict.rawValue),
      ]
    }
    return .object(object)
  }
}
