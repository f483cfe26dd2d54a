/// Agreement of two rankings of the same items; 1 same order, -1 reversed, nil when either side is constant, has under two items or
/// one that is no finite number.
public struct RankCorrelation: Sendable, Equatable {
  public let spearman: Double
  public let kendall: Double

  /// Spearman's ρ with mean ranks for ties, and Kendall's τ-b.
  public init?(_ x: [Double], _ y: [Double]) {
    precondition(x.count == y.count, "rank correlation: \(x.count) and \(y.count) values")
    guard (x + y).allSatisfy(\.isFinite), let rho = pearson(RankCorrelation.ranks(x), RankCorrelation.ranks(y)) else { return nil }
    var (concordant, tiedX, tiedY) = (0, 0, 0)
    for i in x.indices {
      for j in x.indices where j > i {
        let (dx, dy) = ((x[i] - x[j]), (y[i] - y[j]))
        if dx == 0 { tiedX += 1 }
        if dy == 0 { tiedY += 1 }
        if dx * dy != 0 { concordant += (dx > 0) == (dy > 0) ? 1 : -1 }
      }
    }
    let pairs = x.count * (x.count - 1) / 2
    spearman = rho
    kendall = Double(concordant) / (Double(pairs - tiedX) * Double(pairs - tiedY)).squareRoot()
  }

  /// 1-based ranks; ties share their mean.
  static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
      start = end
    }
    return ranks
  }
}

private func pearson(_ x: [Double], _ y: [Double]) -> Double? {
  guard x.count > 1 else { return nil }
  let (meanX, meanY) = (x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count))
  var (xy, xx, yy) = (0.0, 0.0, 0.0)
  for (a, b) in zip(x, y) {
    xy += (a - meanX) * (b - meanY)
    xx += (a - meanX) * (a - meanX)
    yy += (b - meanY) * (b - meanY)
  }
  guard xx > 0, yy > 0 else { return nil }
  return xy / (xx * yy).squareRoot()
}
