import TensorCore

/// Which set of layers each held-out text is left without.
public struct SkipRouting: Sendable, Equatable {
  /// For each text, how often each set is chosen: one of them always, or several by chance.
  public let shares: [[Double]]

  init(_ choices: [Int], sets: Int) {
    shares = choices.map { choice in (0..<sets).map { $0 == choice ? 1 : 0 } }
  }

  init(shares: [[Double]]) { self.shares = shares }

  /// Each text's set; nil where chance chooses.
  public var choices: [Int]? {
    let chosen = shares.map { $0.firstIndex(of: 1) }
    return chosen.contains(nil) ? nil : chosen.map { $0! }
  }

  /// Share of the texts that each set is chosen for.
  public var frequencies: [Double] {
    guard let first = shares.first else { return [] }
    return first.indices.map { set in shares.reduce(0) { $0 + $1[set] } / Double(shares.count) }
  }
}

/// The ways of choosing, as functions of what was measured. Sets are indices into `outcomes`; of equals the first is taken.
enum SkipRouters {
  /// The set of `pool` with the least mean KL over some texts.
  static func best(of pool: [Int], _ outcomes: [Outcome], on texts: [Int]) -> Int {
    let means = pool.map { set in score(Outcome(texts.map { outcomes[set].prompts[$0] })) }
    return pool[means.indices.min { means[$0] < means[$1] }!]
  }

  /// Each cluster's best set on the calibration texts in it.
  static func bestByCluster(of pool: [Int], _ calibration: [Outcome], _ assignments: [Int], clusters: Int) -> [Int] {
    (0..<clusters).map { cluster in best(of: pool, calibration, on: assignments.indices.filter { assignments[$0] == cluster }) }
  }

  /// What the signal predicts each set of `pool` to do, beyond the mean of all of them: how hard a text is changes no choice.
  static func regression(of pool: [Int], _ calibration: [Outcome], signals: [[Double]]) -> RidgeRegression? {
    guard signals.count > 1 else { return nil }
    let values = pool.map { set in calibration[set].prompts.map { $0.divergence / Double($0.positions) } }
    guard values.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return nil }
    let means = signals.indices.map { text in values.reduce(0) { $0 + $1[text] } / Double(pool.count) }
    return RidgeRegression(signals, targets: values.map { zip($0, means).map { $0 - $1 } })
  }

  static func least(of pool: [Int], _ predictions: [Double]) -> Int { pool[predictions.indices.min { predictions[$0] < predictions[$1] }!] }

  /// Every text gets any set of `pool`, drawn again `draws` times. `deviation` is that of the draws' mean KL.
  static func random(of pool: [Int], _ heldOut: [Outcome], draws: Int, seed: Int) -> (routing: SkipRouting, deviation: Double) {
    let (texts, positions) = (heldOut[0].prompts.count, Double(heldOut[0].positions))
    var numbers = SplitMix64(seed: UInt64(truncatingIfNeeded: seed))
    var counts = Array(repeating: [Double](repeating: 0, count: heldOut.count), count: texts)
    let means = (0..<draws).map { _ in
      (0..<texts).reduce(0.0) { sum, text in
        let set = pool[Int(numbers.next(upperBound: UInt64(pool.count)))]
        counts[text][set] += 1
        return sum + heldOut[set].prompts[text].divergence
      } / positions
    }
    let mean = means.reduce(0, +) / Double(draws)
    let squares = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (SkipRouting(shares: counts.map { $0.map { $0 / Double(draws) } }), (squares / Double(max(1, draws - 1))).squareRoot())
  }

  /// The set that turns out best for each text: what no router can do better than.
  static func oracle(_ heldOut: [Outcome]) -> [Int] {
    heldOut[0].prompts.indices.map { best(of: Array(heldOut.indices), heldOut, on: [$0]) }
  }

  private static func score(_ outcome: Outcome) -> Double { outcome.meanDivergence.isNaN ? .infinity : outcome.meanDivergence }
}

/// What a routing does on the held-out texts, in means over their scored positions.
public struct SkipFigures: Sendable, Equatable {
  /// KL(full ‖ routed) of each text, summed over its positions; nats.
  public let divergences: [Double]
  public let positions: [Double]
  public let crossEntropy: Double
  public let agreement: Double

  init(_ routing: SkipRouting, _ heldOut: [Outcome]) {
    func sums(_ value: (PromptOutcome) -> Double) -> [Double] {
      routing.shares.enumerated().map { text, shares in
        // What is never chosen may be no number.
        shares.indices.reduce(0) { shares[$1] == 0 ? $0 : $0 + shares[$1] * value(heldOut[$1].prompts[text]) }
      }
    }
    positions = heldOut[0].prompts.map { Double($0.positions) }
    divergences = sums(\.divergence)
    // The last position of a text has no next token.
    crossEntropy = sums(\.loss).reduce(0, +) / max(1, positions.reduce(0) { $0 + $1 - 1 })
    agreement = sums { Double($0.agreements) }.reduce(0, +) / positions.reduce(0, +)
  }

  public var meanDivergence: Double { divergences.reduce(0, +) / positions.reduce(0, +) }
}
