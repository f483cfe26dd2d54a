/// How much to cut: a budget that is to be met, limits that must not be crossed, or both.
public struct PruneGoal: Sendable, Equatable {
  public enum Budget: Sendable, Equatable {
    /// Units of what the method cuts: layers, or sublayers.
    case drop(Int)
    /// Share of all units, rounded to whole ones.
    case ratio(Double)
    /// Most weights that are left.
    case parameters(Int)
    /// Most bytes of weights that are left, as they will be stored.
    case bytes(Int)
  }

  public var budget: Budget?
  /// KL(full ‖ cut) on the calibration texts, nats.
  public var maxDivergence: Double?
  /// Rise of the perplexity on the calibration texts, per cent.
  public var maxPerplexityIncrease: Double?

  public init(budget: Budget? = nil, maxDivergence: Double? = nil, maxPerplexityIncrease: Double? = nil) {
    self.budget = budget
    self.maxDivergence = maxDivergence
    self.maxPerplexityIncrease = maxPerplexityIncrease
  }

  public var hasLimit: Bool { maxDivergence != nil || maxPerplexityIncrease != nil }

  /// The limit that a cut crosses, in words; nil when it keeps all.
  func crossed(by outcome: Outcome, baseline: Outcome) -> String? {
    // What is not a number keeps no limit.
    if let limit = maxDivergence, !(outcome.meanDivergence <= limit) {
      return "--max-kl \(limit) would be crossed: KL \(outcome.meanDivergence.rounded(6))"
    }
    let increase = 100 * (outcome.perplexity / baseline.perplexity - 1)
    if let limit = maxPerplexityIncrease, !(increase <= limit) {
      return "--max-ppl-increase \(limit) % would be crossed: perplexity +\(increase.rounded(3)) %"
    }
    return nil
  }
}

/// Why nothing can be cut as asked.
public enum PruneError: Error, Sendable, Equatable, CustomStringConvertible {
  case tooMany(asked: String, most: Int, of: Int, unit: PruneMethod.Unit)
  case tooFew(asked: String, of: Int, unit: PruneMethod.Unit)
  /// `reachable`: the smallest the method gets to.
  case unreachable(asked: String, reachable: String)
  case metAlready(asked: String, is: String)
  /// The first cut crosses a limit already.
  case limit(cut: String, reason: String)
  case countsNothing(method: PruneMethod)

  public var description: String {
    switch self {
    case .tooMany(let asked, let most, let total, let unit):
      "\(asked): at most \(most) of \(total) \(unit.rawValue) can go"
    case .tooFew(let asked, let total, let unit): "\(asked): of \(total) \(unit.rawValue) that is not one"
    case .unreachable(let asked, let reachable): "\(asked) cannot be reached: \(reachable)"
    case .metAlready(let asked, let value): "\(asked): the model has \(value) already; nothing is to be cut"
    case .limit(let cut, let reason): "nothing can be cut: already without \(cut) \(reason)"
    case .countsNothing(let method):
      "--drop counts layers or sublayers, \(method.rawValue) cuts \(method.facts.unit.rawValue); give --ratio or a target"
    }
  }
}

extension Double {
  /// For messages: as many places as mean something.
  func rounded(_ places: Int) -> Double {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return isFinite ? (self * scale).rounded() / scale : self
  }
}
