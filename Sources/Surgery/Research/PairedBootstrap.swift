import TensorCore

/// How sure a difference of two means over texts is: texts are drawn anew with replacement, both sides of a text together.
enum PairedBootstrap {
  /// The middle 95 % of Σ differences / Σ counts over resampled texts (percentile method); nil where a difference is not a number.
  /// - Parameters:
  ///   - differences: each text's difference of sums over its positions.
  ///   - counts: its positions.
  static func interval(_ differences: [Double], counts: [Double], resamples: Int, seed: Int) -> (lower: Double, upper: Double)? {
    guard !differences.isEmpty, differences.allSatisfy(\.isFinite) else { return nil }
    var numbers = SplitMix64(seed: UInt64(truncatingIfNeeded: seed))
    let most = UInt64(differences.count)
    let means = (0..<resamples).map { _ in
      var (sum, count) = (0.0, 0.0)
      for _ in differences.indices {
        let index = Int(numbers.next(upperBound: most))
        sum += differences[index]
        count += counts[index]
      }
      return sum / count
    }.sorted()
    return (quantile(0.025, of: means), quantile(0.975, of: means))
  }

  /// Between the two nearest of sorted values, in proportion (Hyndman and Fan's type 7).
  private static func quantile(_ share: Double, of sorted: [Double]) -> Double {
    let place = share * Double(sorted.count - 1)
    let below = Int(place)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
  }
}
