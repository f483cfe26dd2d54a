import Formats
import TensorCore
import Transformer

/// How much query heads and key/value groups matter.
public struct HeadScores: Sendable, Equatable {
  /// By layer and query head; none where the attention was cut.
  public var heads: [[Double]]
  /// By layer and key head.
  public var groups: [[Double]]

  public init(heads: [[Double]], groups: [[Double]]) {
    (self.heads, self.groups) = (heads, groups)
  }

  /// The scores of Minitron's code: a head's is the L2 norm, over its columns of the output projection's input, of
  /// √Σ_prompts (mean_tokens |x|)² (arXiv 2407.14679; the paper sums norms of the heads' outputs instead). A group's is the mean over tokens
  /// of ‖W_o·x‖₂, x the columns of the group's heads.
  public init(_ activity: CalibrationActivity, headDim: Int) {
    heads = activity.layers.map { layer in
      guard let columns = layer.heads?.squaredPromptMeans else { return [] }
      return stride(from: 0, to: columns.count, by: headDim).map { columns[$0..<$0 + headDim].reduce(0, +).squareRoot() }
    }
    groups = activity.layers.map { $0.keyHeadNorms.map { $0 / Double(activity.tokens) } }
  }

  /// One forward pass.
  public init(_ model: Llama, prompts: [[Int32]], plan: StudyPlan, monitor: AblationStudy.Monitor = { _ in }) throws {
    let activity = try CalibrationActivity(model, prompts: prompts, measuring: [.heads, .keyHeads], plan: plan, monitor: monitor)
    self.init(activity, headDim: model.config.headDim)
  }
}

/// Chooses the query heads that go. Grouped-query attention needs as many query heads for each key head, so either whole groups go, or the
/// same number of each group, its own least heads; `head_dim` stays.
public struct HeadSelection: Sendable {
  public let scores: HeadScores
  private let layers: [LlamaConfig.Layer]

  public init(_ scores: HeadScores, of config: LlamaConfig) {
    self.scores = scores
    layers = config.layers
  }

  /// The share `ratio` of each layer's key/value groups, rounded down; one stays.
  public func groups(_ ratio: Double) -> [Int: Set<Int>] {
    choose { index, layer in
      let gone = min(layer.keyHeads - 1, NeuronBudget.gone(layer.keyHeads, ratio))
      let share = layer.queryHeads / layer.keyHeads
      return least(gone, of: scores.groups[index], among: 0..<layer.keyHeads).flatMap { $0 * share..<($0 + 1) * share }
    }
  }

  /// The share `ratio` of the heads of each group, rounded down; one stays.
  public func each(_ ratio: Double) -> [Int: Set<Int>] {
    choose { index, layer in
      let share = layer.queryHeads / layer.keyHeads
      let gone = min(share - 1, NeuronBudget.gone(share, ratio))
      return (0..<layer.keyHeads).flatMap { least(gone, of: scores.heads[index], among: $0 * share..<($0 + 1) * share) }
    }
  }

  /// By the wanted share: as many of each group where groups have several heads, as in Minitron's code; whole groups where a head is a group.
  public func regular(_ ratio: Double) -> [Int: Set<Int>] {
    layers.contains { $0.queryHeads > $0.keyHeads } ? each(ratio) : groups(ratio)
  }

  private func choose(_ heads: (Int, LlamaConfig.Layer) -> [Int]) -> [Int: Set<Int>] {
    var removed: [Int: Set<Int>] = [:]
    for (index, layer) in layers.enumerated() where layer.queryHeads > 0 {
      let gone = heads(index, layer)
      if !gone.isEmpty { removed[index] = Set(gone) }
    }
    return removed
  }

  private func least(_ count: Int, of scores: [Double], among range: Range<Int>) -> [Int] {
    precondition(range.upperBound <= scores.count, "head selection: \(scores.count) scores for \(range.upperBound) heads")
    return Array(range.sorted { (scores[$0], $0) < (scores[$1], $1) }.prefix(count))
  }

  /// Why these heads cannot go from a layer, and what could; nil when they can.
  public static func objection(to gone: Set<Int>, of layer: LlamaConfig.Layer) -> String? {
    guard layer.queryHeads > 0 else { return "its attention was cut already" }
    if let beyond = gone.sorted().first(where: { !(0..<layer.queryHeads).contains($0) }) {
      return "there is no head \(beyond); they are 0 to \(layer.queryHeads - 1)"
    }
    let share = layer.queryHeads / layer.keyHeads
    let left = (0..<layer.keyHeads).map { group in (group * share..<(group + 1) * share).count(where: { !gone.contains($0) }) }
    guard Set(left.filter { $0 > 0 }).count > 1 else { return nil }
    let first = gone.min()! / share
    return "\(share) heads share a key head, and each key head must keep as many as the others or go with all of them; "
      + "heads \(first * share)-\((first + 1) * share - 1) form such a group, and one head of each would be "
      + (0..<layer.keyHeads).map { String($0 * share) }.joined(separator: ",")
  }
}
