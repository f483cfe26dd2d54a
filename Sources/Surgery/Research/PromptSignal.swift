import TensorCore
import Transformer

/// What a router knows of a text before it chooses: the mean of the residual stream over the text's first tokens, where it enters layer
/// `depth`. At depth 0 these are the token embeddings, which cost no layer; the layers before a greater depth run for every choice alike.
enum PromptSignal {
  /// One [C] for each text, of its first `tokens` tokens; each text has as many.
  static func means(
    of model: Llama, _ texts: [[Int32]], tokens: Int, depth: Int, budget: Int, monitor: AblationStudy.Monitor = { _ in }
  ) throws -> [[Double]] {
    let beginnings = texts.map { Array($0.prefix(tokens)) }
    let plan = StudyPlan(lengths: beginnings.map(\.count), config: model.config, components: 1, budget: budget, on: model.backend)
    let fit = MemoryFit(plan: plan)
    var means: [[Double]] = []
    for range in plan.groups {
      let group = try PromptGroup(prompts: range, of: beginnings, on: model.backend)
      let values = try fit.whole(group) { () throws(BackendError) in
        let x = try model.embed(group.ids, in: Eager())
        return try model.run(x, group.layout, layers: 0..<depth, in: Eager(ownsStream: true)).floats()
      }
      let width = model.config.hiddenSize
      var start = 0
      for length in group.layout.lengths {
        var sum = [Double](repeating: 0, count: width)
        for row in start..<start + length {
          for column in 0..<width { sum[column] += Double(values[row * width + column]) }
        }
        means.append(sum.map { $0 / Double(length) })
        start += length
      }
      let cost = StudyCost(model.config, lengths: group.layout.lengths)
      try monitor(StudyProgress(flops: cost.pass(0..<depth) - cost.pass(0..<0), activity: "signals"))
    }
    return means
  }
}

/// Columns moved to mean 0 and, where they vary at all, scaled to variance 1: a residual stream has a few channels that are many times
/// larger than all others, and no distance should be theirs alone.
struct StandardScale: Sendable {
  private let means: [Double]
  private let factors: [Double]

  /// - Parameter points: at least one, all of one length.
  init(_ points: [[Double]]) {
    let count = Double(points.count)
    let means = points[0].indices.map { column in points.reduce(0) { $0 + $1[column] } / count }
    self.means = means
    factors = means.indices.map { column in
      let variance = points.reduce(0) { $0 + ($1[column] - means[column]) * ($1[column] - means[column]) } / count
      // What floats of that size cannot tell from a constant.
      return variance > 1e-12 * means[column] * means[column] ? 1 / variance.squareRoot() : 0
    }
  }

  func callAsFunction(_ point: [Double]) -> [Double] { point.indices.map { (point[$0] - means[$0]) * factors[$0] } }
}
