/// The smallest loss that so many questions would have shown: one that is found (two-sided, at the 5 % level) four times of five.
///
/// For right and wrong answers it is the δ that solves Connor's formula n = (z₀.₉₇₅ √ψ + z₀.₈ √(ψ - δ²))² / δ² (Connor 1987, Biometrics 43,
/// 207-211; used for accuracies by Card et al. 2020, arXiv:2010.06595), ψ being the share of questions whose answer changed. ψ is taken from the
/// sample, and is at least δ: a loss changes as many answers. Where nothing changed this gives δ = 7.85 / n or a little less. For other figures it
/// is (z₀.₉₇₅ + z₀.₈) standard errors.
enum SmallestLoss {
  private static let (level, power) = (1.959_963_984_540_054, 0.841_621_233_572_914_3)

  /// In shares of questions; nil where even losing every question that could be lost would not do.
  static func share(questions: Int, changed: Int) -> Double? {
    func needed(_ loss: Double) -> Double {
      let changing = max(Double(changed) / Double(questions), loss)
      let root = level * changing.squareRoot() + power * max(0, changing - loss * loss).squareRoot()
      return root * root / (loss * loss)
    }
    guard questions > 0, needed(1) <= Double(questions) else { return nil }
    // `needed` falls as the loss grows.
    var (low, high) = (0.0, 1.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if needed(middle) > Double(questions) { low = middle } else { high = middle }
    }
    return high
  }

  static func fromError(_ standardError: Double) -> Double { (level + power) * standardError }
}
