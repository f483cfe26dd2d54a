/// How fast one kind of pass was: seconds of each round, in the order of the rounds, so that models timed in turns can be compared
/// round by round.
public struct Throughput: Sendable, Equatable {
  /// Tokens of one pass.
  public let tokens: Int
  public var seconds: [Double]

  public init(tokens: Int, seconds: [Double]) {
    precondition(tokens > 0 && !seconds.isEmpty && seconds.allSatisfy { $0 > 0 }, "throughput: \(tokens) tokens in \(seconds) s")
    self.tokens = tokens
    self.seconds = seconds
  }

  /// Tokens per second of each round.
  public var rates: [Double] { seconds.map { Double(tokens) / $0 } }
  /// Mean of `rates`, as llama-bench prints it.
  public var mean: Double { rates.reduce(0, +) / Double(seconds.count) }
  /// Sample standard deviation of `rates` (n − 1), as llama-bench prints it; 0 for a single round.
  public var deviation: Double {
    guard seconds.count > 1 else { return 0 }
    let mean = mean
    return (rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(seconds.count - 1)).squareRoot()
  }

  /// How many times as fast as `base`, round by round: what slows a whole round down slows both, and the ratio stays.
  public func speedUp(over base: Throughput) -> Quartiles {
    precondition(base.seconds.count == seconds.count, "speed-up: \(seconds.count) rounds against \(base.seconds.count)")
    let scale = Double(tokens) / Double(base.tokens)
    return Quartiles(zip(base.seconds, seconds).map { scale * $0 / $1 })
  }
}

/// The middle of some values and the range their middle half lies in.
public struct Quartiles: Sendable, Equatable {
  public let lower: Double, median: Double, upper: Double

  /// Linear interpolation between order statistics (type 7 of Hyndman and Fan, the default of NumPy and R).
  public init(_ values: [Double]) {
    precondition(!values.isEmpty, "quartiles of nothing")
    let sorted = values.sorted()
    func at(_ share: Double) -> Double {
      let place = share * Double(sorted.count - 1)
      let below = Int(place)
      let above = min(below + 1, sorted.count - 1)
      return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
    }
    (lower, median, upper) = (at(0.25), at(0.5), at(0.75))
  }
}
