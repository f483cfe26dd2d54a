import Formats

/// Scores that no selection can be made by.
public enum SelectionError: Error, Sendable, Equatable, CustomStringConvertible {
  case emptiesLayer(layer: Int, neurons: Int, threshold: Double, workable: Double)
  case notANumber(layer: Int)

  public var description: String {
    switch self {
    case .emptiesLayer(let layer, let neurons, let threshold, let workable):
      "a threshold of \(threshold) would empty layer \(layer): all of its \(neurons) neurons score below; the largest that leaves every "
        + "layer a neuron is \(SelectionError.rounded(workable))"
    case .notANumber(let layer): "layer \(layer): a score is not a finite number; the model's activations overflow"
    }
  }

  /// To four digits and not up: a threshold a person can type that still works.
  static func rounded(_ value: Double) -> Double {
    guard value > 0 else { return value }
    var scale = 1.0
    while value * scale < 1000, scale < 1e15 { scale *= 10 }
    return (value * scale).rounded(.down) / scale
  }
}

/// Chooses the neurons that go, by their scores: those with the least. What a layer keeps is rounded up to a multiple and is never less than
/// one: rows of whole blocks are what kernels and quantised formats are fast at. The neurons that rounding saves are the best of those that
/// would have gone.
public struct NeuronSelection: Sendable {
  /// By layer; a layer without scores loses nothing.
  public let scores: [[Double]]
  public let multiple: Int

  public static let usualMultiple = 32

  public init(scores: [[Double]], multiple: Int = usualMultiple) throws(SelectionError) {
    precondition(multiple > 0, "neuron selection: multiples of \(multiple)")
    if let layer = scores.firstIndex(where: { !$0.allSatisfy(\.isFinite) }) { throw .notANumber(layer: layer) }
    self.scores = scores
    self.multiple = multiple
  }

  /// Those with a score strictly below the threshold.
  /// - Throws: when nothing of a layer would be left. Rounding alone would keep a block of neurons there of which none passes, and the user
  ///   would learn of it from the perplexity; that a layer goes is for other options to say.
  public func below(_ threshold: Double) throws(SelectionError) -> [Int: Set<Int>] {
    let greatest = scores.map { $0.max() ?? .infinity }
    if let layer = greatest.firstIndex(where: { $0 < threshold }) {
      throw .emptiesLayer(layer: layer, neurons: scores[layer].count, threshold: threshold, workable: greatest.min()!)
    }
    return keeping(scores.map { layer in layer.count(where: { $0 >= threshold }) })
  }

  /// The share `ratio` of each layer's.
  public func share(_ ratio: Double) -> [Int: Set<Int>] {
    keeping(scores.map { $0.count - NeuronBudget.gone($0.count, ratio) })
  }

  /// The share `ratio` of all neurons, wherever they are. Scores of different layers are compared as they are.
  public func shareOfAll(_ ratio: Double) -> [Int: Set<Int>] {
    let places = scores.enumerated().flatMap { layer, scores in scores.indices.map { (layer, $0) } }
    let order = places.sorted { scores[$0.0][$0.1] < scores[$1.0][$1.1] }
    var kept = scores.map(\.count)
    for (layer, _) in order.prefix(NeuronBudget.gone(order.count, ratio)) { kept[layer] -= 1 }
    return keeping(kept)
  }

  /// All but the best `counts[layer]`, rounded up; by layer, layers that lose nothing left out.
  public func keeping(_ counts: [Int]) -> [Int: Set<Int>] {
    var removed: [Int: Set<Int>] = [:]
    for (layer, scores) in scores.enumerated() where !scores.isEmpty {
      let kept = min(scores.count, max(1, (counts[layer] + multiple - 1) / multiple) * multiple)
      if kept < scores.count { removed[layer] = Set(order(layer).prefix(scores.count - kept)) }
    }
    return removed
  }

  /// The layer's neurons, least score first; of equal ones the first.
  func order(_ layer: Int) -> [Int] {
    scores[layer].indices.sorted { (scores[layer][$0], $0) < (scores[layer][$1], $1) }
  }
}
