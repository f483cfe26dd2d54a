/// The smallest loss that so many questions would have shown: one that the exact sign test (`SignTest`, two-sided, at the 5 % level) finds four
/// times of five.
///
/// The model is the trinomial one of `FlipDistribution`: of each question ψ is the chance that its answer changes, (ψ + δ) / 2 that it is lost
/// and (ψ - δ) / 2 that it is won. ψ is the share of answers that changed, and at least δ: a loss changes as many answers. The power is summed
/// over every number of changes, so that it is exact for any number of questions. The normal formula for it (Connor 1987, Biometrics 43, 207-211;
/// for accuracies Card et al. 2020, arXiv:2010.06595) is too small: by 4 % of the loss at 1,000 questions of which a tenth changed, by 1 % at
/// 14,000, and it promises a loss of 0.94 of five questions, where no test finds any.
struct SmallestLoss {
  private static let power = 0.8
  /// Six: fewer losses are not found even where nothing is won.
  private static let fewestFound = (1...).first { isFound($0, among: $0) }!
  private let questions: Int
  /// ψ of the sample.
  private let changing: Double
  /// Numbers of changes that are not too unlikely where ψ is the sample's, and of each the fewest losses among them that the test finds.
  private let changes: ClosedRange<Int>
  private let critical: [Int]

  /// In shares of questions; nil where not even losing all of them would do.
  static func share(questions: Int, changed: Int) -> Double? {
    let known = SmallestLoss(questions: questions, changed: changed)
    guard questions > 0, known.powerOfLossAlone(1) >= power else { return nil }
    // Beyond ψ every change is a loss. The power rises with the loss, on either side of ψ.
    if changed > 0, known.powerOfLossAlone(known.changing) >= power { return least(in: 0...known.changing, known.power) }
    return least(in: known.changing...1, known.powerOfLossAlone)
  }

  private init(questions: Int, changed: Int) {
    self.questions = questions
    changing = questions > 0 ? Double(changed) / Double(questions) : 0
    changes = Binomial.likely(of: questions, changing)
    var fewest = SmallestLoss.fewestLosses(among: changes.lowerBound)
    critical = changes.map { number in
      // Of one change more it is the same number or the next.
      if fewest <= number, !SmallestLoss.isFound(fewest, among: number) { fewest += 1 }
      return fewest
    }
  }

  private static func isFound(_ lost: Int, among changes: Int) -> Bool {
    SignTest.pValue(lost: lost, won: changes - lost) < PairedDifference.level
  }

  /// One more than there are changes where the test finds nothing.
  private static func fewestLosses(among changes: Int) -> Int {
    var (low, high) = (changes / 2 + 1, changes + 1)
    while low < high {
      let middle = (low + high) / 2
      if isFound(middle, among: changes) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// P(found) where nothing is won.
  private func powerOfLossAlone(_ loss: Double) -> Double {
    1 - (0..<SmallestLoss.fewestFound).reduce(0) { $0 + Binomial.mass($1, of: questions, loss) }
  }

  /// P(found) where ψ is the sample's, 0 ≤ loss < ψ.
  private func power(_ loss: Double) -> Double {
    let share = min(1, (1 + loss / changing) / 2)
    var found = 0.0
    // P(at least `fewest` of `number` changes are losses), from each number of changes to the next.
    var (number, fewest) = (changes.lowerBound, critical[0])
    var enough = stride(from: number, through: fewest, by: -1).reduce(0) { $0 + Binomial.mass($1, of: number, share) }
    for (next, needed) in zip(changes, critical) {
      if next > number {
        enough += share * Binomial.mass(fewest - 1, of: number, share)
        if needed > fewest { enough -= Binomial.mass(fewest, of: next, share) }
        (number, fewest) = (next, needed)
      }
      found += Binomial.mass(number, of: questions, changing) * enough
    }
    return found
  }

  private static func least(in range: ClosedRange<Double>, _ power: (Double) -> Double) -> Double {
    var (low, high) = (range.lowerBound, range.upperBound)
    for _ in 0..<50 {
      let middle = (low + high) / 2
      if power(middle) < SmallestLoss.power { low = middle } else { high = middle }
    }
    return high
  }
}
