import Glibc

extension Aggregation {
  /// One figure of many, added in the order of the questions as the harness adds them (`sum` of Python 3.11).
  ///
  /// - Parameters:
  ///   - items: one per question; log-likelihoods in nats for all but `mean`
  ///   - weights: one per question, for the weighted ones: words or bytes
  /// - Returns: NaN for no questions
  public func value(of items: [Double], weights: [Double]? = nil) -> Double {
    value(sum: items.reduce(0, +), weight: isWeighted ? weights?.reduce(0, +) ?? 0 : Double(items.count))
  }

  /// Whether it divides by words or bytes instead of questions.
  public var isWeighted: Bool { self == .weightedPerplexity || self == .bitsPerByte }

  func value(sum: Double, weight: Double) -> Double {
    let mean = sum / weight
    return switch self {
    case .mean: mean
    case .perplexity, .weightedPerplexity: exp(-mean)
    case .bitsPerByte: -mean / log(2)
    }
  }
}

extension MetricResult {
  /// A figure with its standard error as lm-evaluation-harness computes them.
  ///
  /// - Parameters:
  ///   - draws: of the bootstrap, where the harness has one (`perplexity`)
  ///   - progress: called between pieces of the bootstrap with the share that is done; what it throws ends the computation
  public init<Failure: Error>(
    measuring name: String, filter: String = "none", aggregation: Aggregation = .mean, isHigherBetter: Bool = true, items: [Double],
    weights: [Double]? = nil, draws: Int = Aggregation.harnessDraws, progress: (Double) throws(Failure) -> Void
  ) throws(Failure) {
    self.init(
      name: name, filter: filter, aggregation: aggregation, isHigherBetter: isHigherBetter, items: items, weights: weights,
      value: aggregation.value(of: items, weights: weights),
      standardError: try aggregation.standardError(of: items, draws: draws, progress: progress))
  }

  public init(
    measuring name: String, filter: String = "none", aggregation: Aggregation = .mean, isHigherBetter: Bool = true, items: [Double],
    weights: [Double]? = nil, draws: Int = Aggregation.harnessDraws
  ) {
    self.init(
      measuring: name, filter: filter, aggregation: aggregation, isHigherBetter: isHigherBetter, items: items, weights: weights,
      draws: draws, progress: { _ in })
  }

  /// Whether every question was simply right (1) or wrong (0).
  public var isBinary: Bool { aggregation == .mean && items.allSatisfy { $0 == 0 || $0 == 1 } }

  /// Whether a larger item is a better answer: log-likelihoods are, whatever becomes of them.
  var isLargerItemBetter: Bool { aggregation == .mean ? isHigherBetter : true }
}
