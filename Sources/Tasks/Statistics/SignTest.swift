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
