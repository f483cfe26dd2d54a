/// Two things one wants at once, of which more of the one costs some of the other.
public enum Tradeoff: String, Sendable, CaseIterable {
  /// Low perplexity and fast decoding.
  case speed
  /// Low perplexity and few bytes.
  case size

  /// Whether `a` is at least as good as `b` at both, and better at one. A model is faster than another only where the paired rounds show it:
  /// when it won three of four. Else the noise of the clock would put one of two equally fast models on the front.
  func prefers(_ a: ComparisonTable.Row, to b: ComparisonTable.Row) -> Bool {
    let (own, other) = (a.outcome.perplexity, b.outcome.perplexity)
    guard own.isFinite else { return false }
    guard other.isFinite else { return true }
    if own > other { return false }
    switch self {
    case .speed:
      if b.decode.speedUp(over: a.decode).lower > 1 { return false }
      return own < other || a.decode.speedUp(over: b.decode).lower > 1
    case .size: return a.bytes < b.bytes || a.bytes == b.bytes && own < other
    }
  }
}

/// The members of `0..<count` that none of the others is preferred to.
func paretoFront(of count: Int, prefers: (_ a: Int, _ b: Int) -> Bool) -> Set<Int> {
  Set((0..<count).filter { member in !(0..<count).contains { $0 != member && prefers($0, member) } })
}
