import Pages

extension SkipResult {
  /// What the figures say, a sentence each; the question's answer first.
  public var findings: [String] {
    let fixed = rows[0].figures.meanDivergence
    var sentences = [(Router.clusters, "clusters"), (.regression, "regression")].compactMap { router, name in
      row(router).map { sentence("Routing by \(name)", $0, beside: fixed) }
    }
    if row(.regression) == nil { sentences.append("Routing by regression was not possible: without some set the model overflows.") }
    if candidates.routable.count == 1 { sentences.append("There was one set of layers only, so that there was nothing to choose.") }
    if let regression, candidates.routable.count > 1 {
      sentences.append(
        regression.penalty.isFinite
          ? "On calibration texts left out of the fit, the signal explains \(NumberText.percent(regression.explained)) of what the sets "
            + "differ by from text to text."
          : "The signal says nothing about which set suits a calibration text left out of the fit, so that regression takes one for all.")
    }
    if candidates.sets.count > 1, let oracle = row(.oracle), let interval = oracle.interval {
      sentences.append(
        "The best of these \(candidates.sets.count) sets for each text, known only afterwards, would have changed the KL by "
          + "\(SkipResult.signed(oracle.difference)) nats (95 % interval \(SkipResult.range(interval)))"
          + "\(share(oracle.difference, of: fixed)): "
          + "no way of choosing among them does better.")
    }
    return sentences
  }

  private func sentence(_ name: String, _ row: Row, beside fixed: Double) -> String {
    guard let verdict = row.verdict, let interval = row.interval else {
      return "\(name) cannot be compared: the model overflows without one of the sets."
    }
    let change = "KL \(SkipResult.signed(row.difference)) nats, 95 % interval \(SkipResult.range(interval))"
    return switch verdict {
    case .better: "\(name) was better than the static cut: \(change)\(share(row.difference, of: fixed))."
    case .worse: "\(name) was worse than the static cut: \(change)\(share(row.difference, of: fixed))."
    case .same: "\(name) chose the static cut's set for every text: it is the static cut."
    case .undecided, .notANumber: "\(name) is not to be told apart from the static cut at this sample size: \(change)."
    }
  }

  private func share(_ difference: Double, of fixed: Double) -> String {
    fixed > 0 && fixed.isFinite ? ", \(NumberText.percent(difference.magnitude / fixed)) of the static cut's" : ""
  }

  /// "−0.0123", "+0.0045"
  public static func signed(_ value: Double) -> String {
    let text = NumberText.significant(value)
    return value > 0 ? "+" + text : text
  }

  /// "−0.012 to +0.004"
  public static func range(_ interval: ClosedRange<Double>) -> String {
    "\(signed(interval.lowerBound)) to \(signed(interval.upperBound))"
  }
}
