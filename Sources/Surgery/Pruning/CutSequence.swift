import JSON
import TensorCore

/// What a method would cut, for every amount. The driver (`Pruner`) asks for ever more until a budget is met or a limit crossed.
/// A new method conforms to this and gets its line in `Pruner.sequence`.
public protocol CutSequence {
  /// How many units there are: `--ratio` is a share of them.
  var total: Int { get }
  /// How many may go at most.
  var most: Int { get }
  /// Whether each cut holds the one before it: the way to a budget is measured and told then.
  var isNested: Bool { get }
  /// Units from one amount that is tried to the next.
  var increment: Int { get }
  /// The cut of `count` units, 1 to `most`, in all.
  mutating func cut(_ count: Int, monitor: RemovalSearch.Monitor) throws -> CutPlan
  /// What that cut was measured to do, where the method had to know it anyway.
  func outcome(_ count: Int) -> Outcome?
  /// The numbers the choice was made by, for the plan file.
  var scores: JSON { get }
}

extension CutSequence {
  public var increment: Int { 1 }
  public func outcome(_ count: Int) -> Outcome? { nil }
}

/// Units in an order that is known beforehand.
struct RankedCuts: CutSequence {
  /// Layers, first to go first.
  let order: [Int]
  let total: Int
  let scores: JSON
  var most: Int { min(order.count, total - 1) }
  let isNested = true

  /// - Parameters:
  ///   - candidates: layers that may go.
  ///   - layers: how many the model has.
  ///   - values: one for each layer of the model; the least goes first, and of equals the first.
  init(_ candidates: Range<Int>, of layers: Int, by values: [Double], named name: String) {
    order = candidates.sorted { (values[$0].isNaN ? .infinity : values[$0], $0) < (values[$1].isNaN ? .infinity : values[$1], $1) }
    total = layers
    scores = .object([name: .array(values.map { JSON(measured: $0) })])
  }

  init(_ order: [Int], of layers: Int) {
    self.order = order
    total = layers
    scores = .object([:])
  }

  /// Blocks that grow from the middle: K layers from (n - K)/2 on, so that each holds the one before.
  static func middle(_ candidates: Range<Int>) -> [Int] {
    var order: [Int] = []
    for count in stride(from: 1, through: candidates.count, by: 1) {
      let start = candidates.lowerBound + (candidates.count - count) / 2
      order.append(contentsOf: (start..<start + count).filter { !order.contains($0) })
    }
    return order
  }

  /// Fisher and Yates' shuffle with SplitMix64: the same seed gives the same order on every machine.
  static func shuffled(_ candidates: Range<Int>, seed: Int) -> [Int] {
    var order = Array(candidates)
    var numbers = SplitMix64(seed: UInt64(truncatingIfNeeded: seed))
    for last in stride(from: order.count - 1, to: 0, by: -1) { order.swapAt(last, Int(numbers.next() % UInt64(last + 1))) }
    return order
  }

  func cut(_ count: Int, monitor: RemovalSearch.Monitor) -> CutPlan { CutPlan(layers: order.prefix(count)) }
}

extension CutPlan {
  init(layers: some Sequence<Int>) {
    self.init()
    self.layers = Set(layers)
  }
}
