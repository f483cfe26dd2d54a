import JSON
import Pages

/// Parts that must never be removed, from the numbers of a report: without one of them, perplexity or KL explodes.
enum CriticalParts {
  /// Perplexity may at most double. For scale: from Llama-2 70B to 7B, a tenth of the weights, it grows by a factor of 1.65 (WikiText-2, 3.32
  /// and 5.47), so a part that is worth more than this is worth more than a smaller model.
  static let factorLimit = 2.0
  /// Nats: on average, what the full model predicts has lost more than a factor e of its probability. Catches parts whose loss is hidden by prompts
  /// that are hard anyway.
  static let divergenceLimit = 1.0

  /// `layers` and `sublayers`: those sections of a report; nil where it has none.
  static func json(baseline: Double?, layers: [JSON], sublayers: [JSON]?) -> JSON {
    func critical(_ entries: [JSON]) -> JSON {
      .array(
        entries.compactMap { entry in
          guard let reason = CriticalParts.reason(entry, baseline) else { return nil }
          var part: JSON.Object = ["layer": entry["layer"] ?? .null]
          part["part"] = entry["part"]
          part["kl"] = entry["kl"] ?? .null
          part["perplexity"] = entry["perplexity"] ?? .null
          part["perplexity_factor"] = factor(entry, baseline).map(JSON.double) ?? .null
          part["reason"] = .string(reason)
          return .object(part)
        })
    }
    var object: JSON.Object = ["perplexity_factor_limit": .double(factorLimit), "kl_limit": .double(divergenceLimit)]
    object["layers"] = critical(layers)
    if let sublayers { object["sublayers"] = critical(sublayers) }
    return .object(object)
  }

  private static func factor(_ entry: JSON, _ baseline: Double?) -> Double? {
    guard let baseline, let perplexity = entry["perplexity"]?.double, perplexity.isFinite else { return nil }
    return perplexity / baseline
  }

  /// nil for a part that is not critical.
  private static func reason(_ entry: JSON, _ baseline: Double?) -> String? {
    guard let baseline, let factor = CriticalParts.factor(entry, baseline), let divergence = entry["kl"]?.double, divergence.isFinite else {
      return "without it the model computes no numbers"
    }
    var reasons: [String] = []
    if factor >= factorLimit {
      let change = "\(NumberText.significant(baseline)) → \(NumberText.significant(entry["perplexity"]?.double))"
      reasons.append("perplexity is \(NumberText.significant(factor)) times the full model's (\(change))")
    }
    if divergence >= divergenceLimit { reasons.append("KL is \(NumberText.significant(divergence)) nats") }
    return reasons.isEmpty ? nil : "without it " + reasons.joined(separator: " and ")
  }
}

extension SafeSet {
  /// The report's `safe`.
  func json(baseline: Double) -> JSON {
    [
      "layers": .array(layers.map { .int($0) }), "kl": .double(divergence), "perplexity": .double(perplexity),
      "perplexity_increase": .double(increase), "perplexity_increase_limit": .double(SafeSet.increaseLimit),
      "evidence": .string(evidence(baseline)),
    ]
  }

  private func evidence(_ baseline: Double) -> String {
    let limit = "above the limit of +\(NumberText.significant(SafeSet.increaseLimit * 100, 2)) %"
    guard let last = layers.last else {
      guard let refusal else { return "the model has no layer to spare" }
      return "without layer \(refusal.layer) alone, the least important one, perplexity is \(SafeSet.percent(refusal.increase)), \(limit)"
    }
    let list = layers.dropLast().map(String.init).joined(separator: ", ")
    let names = layers.count == 1 ? "layer \(last)" : "layers \(list) and \(last) together"
    let change = "\(NumberText.significant(baseline)) → \(NumberText.significant(perplexity)), \(SafeSet.percent(increase))"
    let next = refusal.map { "; without layer \($0.layer) as well it is \(SafeSet.percent($0.increase)), \(limit)" } ?? ""
    return "measured without \(names): perplexity \(change)\(next)"
  }

  private static func percent(_ share: Double) -> String {
    share.isFinite ? (share < 0 ? "" : "+") + NumberText.significant(share * 100) + " %" : "not a number"
  }
}
