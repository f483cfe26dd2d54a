/// A mean over all elements of several clusters, such as the loss per token of several windows: elements of one cluster are not independent
/// draws, clusters are taken to be.
public struct RatioEstimate: Sendable {
  private let sums: [Double]
  private let counts: [Double]

  /// - Parameters:
  ///   - sums: each cluster's sum over its elements.
  ///   - counts: each cluster's number of elements.
  public init(sums: [Double], counts: [Double]) {
    precondition(sums.count == counts.count, "ratio estimate: \(sums.count) sums and \(counts.count) counts")
    (self.sums, self.counts) = (sums, counts)
  }

  public var ratio: Double { sums.reduce(0, +) / counts.reduce(0, +) }

  /// Linearised ratio estimator (Cochran, Sampling Techniques, 6.4); nil for fewer than two clusters.
  public var standardError: Double? {
    guard sums.count > 1 else { return nil }
    let ratio = ratio
    let squares = zip(sums, counts).reduce(0.0) { sum, cluster in
      let residual = cluster.0 - ratio * cluster.1
      return sum + residual * residual
    }
    let clusters = Double(sums.count)
    return (squares * clusters / (clusters - 1)).squareRoot() / counts.reduce(0, +)
  }
}
