import Formats
import TensorCore
import Transformer

/// What a model does on calibration prompts, gathered in one forward pass: the stuff of importance scores. Only sums are kept, so memory is
/// that of the pass itself.
public struct CalibrationActivity: Sendable {
  public enum Measure: Sendable, CaseIterable {
    /// Input of the down projection.
    case neurons
    /// Input of the attention's output projection.
    case heads
    /// What each key head's query heads add to the residual stream.
    case keyHeads
    /// Rows behind both norms of each layer.
    case normed
    /// How far a layer turns the residual stream.
    case influence
  }

  /// Of one layer; what was not measured, or belongs to a sublayer that was cut, is nil or empty.
  public struct Layer: Sendable {
    /// [I]
    public internal(set) var neurons: ColumnActivity?
    /// [Hq·D]
    public internal(set) var heads: ColumnActivity?
    /// Σ over tokens of ‖W_o·x‖₂, x the heads of one key head's group and zero elsewhere, by key head.
    public internal(set) var keyHeadNorms: [Double] = []
    /// [C]
    public internal(set) var attentionInput: ColumnActivity?
    public internal(set) var mlpInput: ColumnActivity?
    /// Σ over tokens of cos(x_l, x_l+1).
    public internal(set) var cosines = 0.0

    mutating func add(_ other: Layer) {
      for path in [\Layer.neurons, \.heads, \.attentionInput, \.mlpInput] {
        guard let new = other[keyPath: path] else { continue }
        if self[keyPath: path] == nil { self[keyPath: path] = new } else { self[keyPath: path]!.add(new) }
      }
      keyHeadNorms = keyHeadNorms.isEmpty ? other.keyHeadNorms : zip(keyHeadNorms, other.keyHeadNorms).map { $0 + $1 }
      cosines += other.cosines
    }
  }

  public private(set) var layers: [Layer]
  public let prompts: Int
  public let tokens: Int
  /// |a| strictly above this counts as firing.
  public static let firingThreshold = StudyOptions().firingThreshold

  /// One pass over all prompts, group by group; a group that finds no memory is run in halves.
  /// - Parameters:
  ///   - removed: neurons by layer that are masked: the pass is that of the model without them.
  ///   - plan: its groups are run together.
  ///   - monitor: called after each group.
  /// - Throws: `BackendError`; `StudyError` when a single prompt does not fit; what the monitor throws.
  public init(
    _ model: Llama, prompts: [[Int32]], measuring measures: Set<Measure>, without removed: [Int: Set<Int>] = [:], plan: StudyPlan,
    monitor: AblationStudy.Monitor = { _ in }
  ) throws {
    precondition(!prompts.isEmpty && prompts.allSatisfy { !$0.isEmpty }, "activity: an empty prompt")
    self.prompts = prompts.count
    tokens = prompts.reduce(0) { $0 + $1.count }
    layers = Array(repeating: Layer(), count: model.layers.count)
    let masks = try model.neuronMasks(removed)
    let cost = StudyCost(model.config, lengths: prompts.map(\.count)).full
    var waiting = Array(plan.groups.reversed())
    while let range = waiting.popLast() {
      do throws(BackendError) {
        let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
        let gathered = try GroupActivity(model, group, measures).run(masks: masks)
        for (index, layer) in gathered.enumerated() { layers[index].add(layer) }
      } catch {
        guard case .outOfMemory(let requested, let free) = error else { throw error }
        guard range.count > 1 else {
          throw StudyError.doesNotFit(prompts: 1, rows: prompts[range.lowerBound].count, requested: requested, free: free)
        }
        let middle = range.lowerBound + range.count / 2
        waiting += [middle..<range.upperBound, range.lowerBound..<middle]
        continue
      }
      let rows = prompts[range].reduce(0) { $0 + $1.count }
      try monitor(StudyProgress(flops: cost * Double(rows) / Double(tokens), activity: "activations"))
    }
  }
}

/// Listens to the pass over one group of prompts.
private final class GroupActivity {
  private let model: Llama
  private let group: PromptGroup
  private let measures: Set<CalibrationActivity.Measure>
  /// [N, 1], one over the tokens of the row's prompt.
  private let shares: Tensor
  private var layers: [CalibrationActivity.Layer]
  private var sums: [Site: ColumnAccumulator] = [:]
  private var entering: Tensor?

  init(_ model: Llama, _ group: PromptGroup, _ measures: Set<CalibrationActivity.Measure>) throws(BackendError) {
    (self.model, self.group, self.measures) = (model, group, measures)
    let values = group.layout.lengths.flatMap { [Float](repeating: 1 / Float($0), count: $0) }
    shares = try Tensor(values, rows: values.count, columns: 1, on: model.backend)
    layers = Array(repeating: .init(), count: model.layers.count)
  }

  private static let points: [CalibrationActivity.Measure: Set<Site.Point>] = [
    .neurons: [.mlpHidden], .heads: [.headsOut], .keyHeads: [.headsOut], .normed: [.residualIn, .residualMid],
    .influence: [.residualIn, .residualOut],
  ]

  func run(masks: [Int: Tensor]) throws(BackendError) -> [CalibrationActivity.Layer] {
    var points = measures.reduce(into: Set<Site.Point>()) { $0.formUnion(GroupActivity.points[$1]!) }
    if !masks.isEmpty { points.insert(.mlpHidden) }
    let graph = Eager(at: points) { (site, x) throws(BackendError) in
      var x = x
      if site.point == .mlpHidden, let mask = masks[site.layer] { x = try x.masked(by: mask) }
      try self.look(at: x, site)
      return x
    }
    _ = try model.run(
      model.embed(group.ids, in: graph), group.layout, layers: 0..<model.layers.count, in: graph)
    for (site, sums) in sums {
      let activity = try sums.activity()
      switch site.point {
      case .residualIn: layers[site.layer].attentionInput = activity
      case .residualMid: layers[site.layer].mlpInput = activity
      case .headsOut: layers[site.layer].heads = activity
      default: layers[site.layer].neurons = activity
      }
    }
    return layers
  }

  private func look(at x: Tensor, _ site: Site) throws(BackendError) {
    let layer = model.layers[site.layer]
    switch site.point {
    case .residualIn:
      entering = x
      if measures.contains(.normed), let norm = layer.attention?.norm { try add(normed(x, norm), site) }
    case .residualMid:
      if let norm = layer.mlp?.norm { try add(normed(x, norm), site) }
    case .headsOut:
      if measures.contains(.heads) { try add(x, site) }
      if measures.contains(.keyHeads), let attention = layer.attention { try addKeyHeads(x, attention, site.layer) }
    case .mlpHidden:
      if measures.contains(.neurons) { try add(x, site) }
    case .residualOut: try compare(entering!, x, site.layer)
    case .attentionOut, .mlpOut: break
    }
  }

  /// The norm once more: the pass has no site behind it, and it costs next to nothing.
  private func normed(_ x: Tensor, _ weight: Tensor) throws(BackendError) -> Tensor {
    try x.normalized(weight: weight, epsilon: Float(model.config.normEpsilon))
  }

  private func add(_ x: Tensor, _ site: Site) throws(BackendError) {
    let accumulator: ColumnAccumulator
    if let known = sums[site] { accumulator = known } else { accumulator = try ColumnAccumulator(columns: x.columns, on: x.backend) }
    sums[site] = accumulator
    var start = 0
    for length in group.layout.lengths {
      let rows = start..<start + length
      try accumulator.add(x.rows(rows), shares: shares.rows(rows), threshold: CalibrationActivity.firingThreshold)
      start += length
    }
  }

  private func addKeyHeads(_ x: Tensor, _ attention: Attention, _ layer: Int) throws(BackendError) {
    let shape = attention.shape
    let share = shape.queryHeads / shape.keyHeads
    for keyHead in 0..<shape.keyHeads {
      let mask = (0..<shape.queryHeads).map { $0 / share == keyHead ? Float(1) : 0 }
      let update = try x.masked(by: Tensor(mask, rows: 1, columns: mask.count, on: x.backend)).linear(attention.output)
      layers[layer].keyHeadNorms.append(try update.rowDots(update).floats().reduce(0) { $0 + Double($1).squareRoot() })
    }
  }

  private func compare(_ before: Tensor, _ after: Tensor, _ layer: Int) throws(BackendError) {
    let (dots, own, other) = (try before.rowDots(after).floats(), try before.rowDots(before).floats(), try after.rowDots(after).floats())
    for (row, dot) in dots.enumerated() {
      let scale = (Double(own[row]) * Double(other[row])).squareRoot()
      if scale > 0 { layers[layer].cosines += Double(dot) / scale }
    }
  }
}

extension Llama {
  /// By layer: 0 for neurons that are gone, 1 for the others, [1, I].
  fileprivate func neuronMasks(_ removed: [Int: Set<Int>]) throws(BackendError) -> [Int: Tensor] {
    var masks: [Int: Tensor] = [:]
    for (layer, gone) in removed where !gone.isEmpty {
      let values = (0..<config.layers[layer].intermediateSize).map { gone.contains($0) ? Float(0) : 1 }
      masks[layer] = try Tensor(values, rows: 1, columns: values.count, on: backend)
    }
    return masks
  }
}
