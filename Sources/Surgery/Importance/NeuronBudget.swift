/// How many neurons each layer keeps when all together lose a given share.
public enum NeuronBudget {
  /// How many of `count` a ratio takes, rounded down; 0.29 of 100 are 29, whatever 0.29 is in binary.
  public static func gone(_ count: Int, _ ratio: Double) -> Int { Int(Double(count) * ratio + 1e-9) }

  /// OWL (arXiv 2310.05175): layers with more outliers keep more. The share that layer l keeps is 1 - S - mean(z) + z_l with
  /// z_l = 2λ·(D_l - min D)/(max D - min D), D_l the share of outlier weights in percent.
  ///
  /// OWL spreads the sparsity of single weights; here the shares count neurons, which is ours, and no published number applies.
  /// - Parameters:
  ///   - outliers: D by layer; nil where there is nothing to prune.
  ///   - sizes: neurons by layer; the mean of z is weighted with them, so that the ratio holds for layers of different sizes too.
  public static func owl(outliers: [Double?], sizes: [Int], ratio: Double, spread: Double = 0.08) -> [Double] {
    let known = outliers.compactMap { $0 }
    guard let least = known.min(), let most = known.max() else { return sizes.map { _ in 1 } }
    let z = outliers.map { most > least ? 2 * spread * (($0 ?? least) - least) / (most - least) : 0 }
    let all = sizes.reduce(0, +)
    let mean = all == 0 ? 0 : zip(z, sizes).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(all)
    return z.map { min(1, max(0, $0 - mean + 1 - ratio)) }
  }

  /// Whole blocks that come nearest to the shares, and in all to the share that stays, rounded up to a block: first each layer's share
  /// rounded down, then a block more where most is missing.
  /// - Parameter shares: that each layer keeps.
  public static func counts(shares: [Double], sizes: [Int], ratio: Double, multiple: Int) -> [Int] {
    let wanted = zip(shares, sizes).map { $0 * Double($1) }
    var counts = zip(wanted, sizes).map { wanted, size in
      wanted >= Double(size) ? size : min(size, max(1, Int(wanted + 1e-9) / multiple) * multiple)
    }
    let total = sizes.reduce(0) { $0 + $1 } - gone(sizes.reduce(0, +), ratio)
    var kept = counts.reduce(0, +)
    while kept < total {
      let open = counts.indices.filter { counts[$0] < sizes[$0] }
      let layer = open.max { (wanted[$0] - Double(counts[$0]), -$0) < (wanted[$1] - Double(counts[$1]), -$1) }!
      let more = min(sizes[layer], counts[layer] + multiple) - counts[layer]
      counts[layer] += more
      kept += more
    }
    return counts
  }
}
