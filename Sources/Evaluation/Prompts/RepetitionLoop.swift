/// The sign of a model that has got stuck: one stretch of tokens again and again, with nothing between.
public struct RepetitionLoop: Sendable, Equatable {
  /// Tokens of the stretch.
  public let period: Int
  /// How often it stands there, the first time counted.
  public let count: Int
  /// Place of its first token in the answer.
  public let start: Int

  /// A refrain comes twice, a list has short items: a loop is what comes three times and is this long in all.
  private static let leastCount = 3
  private static let leastTokens = 30

  /// The loop that covers most of `ids`, of the shortest stretch; nil when there is none.
  public init?(in ids: [Int32]) {
    var best: RepetitionLoop?
    var most = 0
    for period in 1...max(1, ids.count / RepetitionLoop.leastCount) {
      // Tokens in a row, up to here, that equal the one a period before.
      var run = 0
      for place in ids.indices.dropFirst(period) {
        run = ids[place] == ids[place - period] ? run + 1 : 0
        let (covered, count) = (run + period, run / period + 1)
        guard count >= RepetitionLoop.leastCount, covered >= RepetitionLoop.leastTokens, covered > most else { continue }
        (best, most) = (RepetitionLoop(period, count, place - run - period + 1), covered)
      }
    }
    guard let best else { return nil }
    self = best
  }

  private init(_ period: Int, _ count: Int, _ start: Int) { (self.period, self.count, self.start) = (period, count, start) }
}
