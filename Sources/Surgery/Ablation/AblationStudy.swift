import Evaluation
import TensorCore
import Transformer

/// A piece of a study that is done.
public struct StudyProgress: Sendable {
  /// Its share of `AblationStudy.totalFlops`.
  public let flops: Double
  public let activity: String
  /// Whether it was taken from a journal instead of computed.
  public let isKnown: Bool
}

/// Measures what each part of a model does to its predictions, by taking it out: KL(full ‖ ablated) over calibration prompts.
/// Exact: the numbers are those of one full pass per component, but prefixes are shared and changed models run side by side.
public struct AblationStudy {
  /// Called after each piece of work; throwing ends the study, which a journal lets continue later.
  public typealias Monitor = (StudyProgress) throws -> Void

  public let model: Llama
  public let prompts: [[Int32]]
  public let options: StudyOptions
  public let plan: StudyPlan
  public let cost: StudyCost

  public init(_ model: Llama, prompts: [[Int32]], options: StudyOptions, plan: StudyPlan) {
    precondition(!prompts.isEmpty && prompts.allSatisfy { !$0.isEmpty }, "study: an empty prompt")
    self.model = model
    self.prompts = prompts
    self.options = options
    self.plan = plan
    cost = StudyCost(model.config, lengths: prompts.map(\.count))
  }

  public struct Result {
    /// The full model against itself: its loss.
    public var baseline = Outcome([])
    public var outcomes: [Component: Outcome] = [:]
    public var activity: ActivityStatistics?
    public var neurons: [NeuronStatistics]?
    public var drop: [DropStep] = []
    /// Necessary floating-point operations of the work done (see `StudyCost`), without what a journal already had.
    public var flops = 0.0
  }

  /// What each studied layer loses, one thing at a time.
  private var components: [[Component]] { options.layers(model.config, cost: cost).map { options.components(of: $0, model.config) } }

  /// A sharded study leaves what cannot be split to its first part.
  private var suggestsDrop: Bool { options.suggestDrop > 0 && (options.shard?.index ?? 0) == 0 }

  /// Necessary floating-point operations of the whole study; the greedy search's are an estimate, because they depend on what it finds.
  public var totalFlops: Double {
    cost.full + components.joined().reduce(0) { $0 + cost.flops($1) } + (suggestsDrop ? greedyFlops(dropping: options.suggestDrop) : 0)
  }

  public func run(journal: StudyJournal? = nil, monitor: Monitor = { _ in }) throws -> Result {
    var result = Result()
    let components = components
    let tokens = Double(prompts.reduce(0) { $0 + $1.count })

    let means = options.replacement == .mean ? try ComponentMeans(model, prompts, plan: plan) : nil
    let collector = ActivityCollector(model, prompts: prompts, options: options)
    for (index, range) in plan.groups.enumerated() {
      let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
      let pass = try collector.observe(group)
      let reference = try Reference(model, pass, plan: plan)
      result.baseline.prompts += reference.outcomes
      let share = Double(group.rows) / tokens
      func finished(_ flops: Double, _ activity: String, isKnown: Bool = false) throws {
        if !isKnown { result.flops += flops * share }
        try monitor(StudyProgress(flops: flops * share, activity: activity, isKnown: isKnown))
      }
      try finished(cost.full, "full model")
      for members in components {
        let layer = members[0].layer
        let known = journal?.outcomes(group: index, layer: layer).flatMap { $0.count == members.count ? $0 : nil }
        let outcomes = try known ?? measure(members, pass, against: reference, means: means)
        if known == nil { try journal?.append(outcomes, group: index, layer: layer) }
        for (component, outcome) in zip(members, outcomes) { result.outcomes[component, default: Outcome([])].prompts += outcome }
        try finished(members.reduce(0) { $0 + cost.flops($1) }, "layer \(layer)", isKnown: known != nil)
      }
    }
    result.activity = options.proxies ? try collector.activity() : nil
    result.neurons = options.neurons ? collector.neurons() : nil
    if suggestsDrop {
      result.drop = try suggestDrop(given: result.outcomes, means: means) { flops, activity in
        result.flops += flops
        try monitor(StudyProgress(flops: flops, activity: activity, isKnown: false))
      }
    }
    return result
  }

  /// Outcomes of each component on the group's prompts. Runs as many changed models side by side as the plan allows.
  func measure(
    _ components: [Component], _ pass: PrefixPass, against reference: Reference, means: ComponentMeans?
  ) throws(BackendError) -> [[PromptOutcome]] {
    guard let layer = components.first?.layer else { return [] }
    let group = pass.group
    let interventions = try LayerInterventions(
      model, layer: layer, group.layout, entering: pass.residuals[layer], for: components, means: means)
    let copies = max(1, plan.rowsPerBatch / max(1, group.rows))
    var outcomes: [[PromptOutcome]] = []
    for start in stride(from: 0, to: components.count, by: copies) {
      let block = Array(components[start..<min(start + copies, components.count)])
      let layout = try group.layout.repeated(block.count)
      let x = try model.run(
        interventions.leaving(block), layout, layers: layer + 1..<model.layers.count, without: pass.removed, in: Eager())
      outcomes += try compare(x, block.count, with: reference)
    }
    return outcomes
  }

  /// Residual streams leaving the stack [copies·N, C] → their outcomes against the full model.
  func compare(_ x: Tensor, _ copies: Int, with reference: Reference) throws(BackendError) -> [[PromptOutcome]] {
    let rows = try DivergenceRows(rows: x.rows, on: model.backend)
    try model.backend.linearDivergence(
      of: reference.divergence, from: model.finish(x, in: Eager()), weight: model.head, targets: reference.group.targets,
      rowsPerChunk: plan.rowsPerChunk, into: rows)
    return try rows.outcomes(of: reference.group, originals: reference.winners)
  }
}
