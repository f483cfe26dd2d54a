import Glibc

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
