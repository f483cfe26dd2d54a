import Glibc

/// Is a change in both directions more than chance? Exact and two-sided: under the null hypothesis each question that changed is as likely to
/// have changed for the worse as for the better. With right and wrong answers this is McNemar's test in its exact form (McNemar 1947,
/// Psychometrika 12, 153-157); with figures of any kind it is the sign test, which leaves ties out.
public enum SignTest {
  /// 2 · P(X ≤ min(lost, won)) for X ~ Binomial(lost + won, ½), at most 1; 1 when nothing changed.
  ///
  /// The largest term comes from log-gamma, the others from their ratios: the relative error is that of the logarithm, 1e-11 for 10⁴ changes.
  public static func pValue(lost: Int, won: Int) -> Double {
    precondition(lost >= 0 && won >= 0, "sign test: \(lost) lost, \(won) won")
    let (changed, fewer) = (lost + won, min(lost, won))
    guard changed > 0, lost != won else { return 1 }
    var (term, sum) = (1.0, 1.0)
    for k in stride(from: fewer, to: 0, by: -1) {
      term *= Double(k) / Double(changed - k + 1)
      sum += term
      if term < 1e-18 * sum { break }
    }
    return min(1, 2 * exp(LogFactorial.choose(changed, fewer) - Double(changed) * log(2)) * sum)
  }
}

/// Of n trials, each with the same chance.
enum Binomial {
  /// P(X = k); 0 outside of 0...n.
  static func mass(_ k: Int, of n: Int, _ share: Double) -> Double {
    guard (0...n).contains(k) else { return 0 }
    return exp(LogFactorial.choose(n, k) + LogFactorial.power(k, log(share)) + LogFactorial.power(n - k, log(1 - share)))
  }

  /// Numbers beyond nine standard deviations have together less than 1e-15 on each side.
  static func likely(of n: Int, _ share: Double) -> ClosedRange<Int> {
    let (middle, width) = (Double(n) * share, 9 * (Double(n) * share * (1 - share)).squareRoot() + 12)
    return share == 0 ? 0...0 : max(0, Int(middle - width))...min(n, Int(middle + width))
  }
}

enum LogFactorial {
  /// ln n!
  static func of(_ n: Int) -> Double {
    var sign: Int32 = 0
    return lgamma_r(Double(n) + 1, &sign)
  }

  /// ln of the binomial coefficient
  static func choose(_ n: Int, _ k: Int) -> Double { of(n) - of(k) - of(n - k) }

  /// k ln p, where 0 ln 0 = 0
  static func power(_ k: Int, _ log: Double) -> Double { k == 0 ? 0 : Double(k) * log }
}

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
