/// Holm's step-down correction (Holm 1979, Scandinavian Journal of Statistics 6, 65-70): the chance of even one false alarm among all tests
/// stays below the level, whatever they have to do with each other.
public enum HolmCorrection {
  /// Adjusted p-values, in the order given: to be compared with the level as they are.
  public static func adjusted(_ pValues: [Double]) -> [Double] {
    var adjusted = pValues
    var greatest = 0.0
    for (rank, index) in pValues.indices.sorted(by: { (pValues[$0], $0) < (pValues[$1], $1) }).enumerated() {
      greatest = max(greatest, min(1, Double(pValues.count - rank) * pValues[index]))
      adjusted[index] = greatest
    }
    return adjusted
  }
}
