import Evaluation
import TensorCore
import Transformer

/// A piece of a study that is done.
public struct StudyProgress: Sendable {
  /// Its share of `AblationStudy.totalFlops`.
  public let flops: Double
  public let activity: String
  /// Whether it was taken from a journal instead of computed.
  public var isKnown = false
  /// Something the user should know; nothing was finished then.
  public var note: String?
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
    public var safe: SafeSet?
    /// Necessary floating-point operations of the work done (see `StudyCost`), without what a journal already had.
    public var flops = 0.0
  }

  /// What each studied layer loses, one thing at a time.
  private var components: [[Component]] { options.layers(model.config, cost: cost).map { options.components(of: $0, model.config) } }

  /// A sharded study leaves what cannot be split to its first part.
  private var suggestsDrop: Bool { options.suggestDrop > 0 && (options.shard?.index ?? 0) == 0 }

  private var looksForSafeSet: Bool { options.safeSet && options.shard == nil }

  /// Necessary floating-point operations of the whole study; the searches' are an estimate, because they depend on what they find.
  public var totalFlops: Double {
    cost.full + components.joined().reduce(0) { $0 + cost.flops($1) } + (suggestsDrop ? greedyFlops(dropping: options.suggestDrop) : 0)
      + (looksForSafeSet ? safeSetFlops : 0)
  }

  public func run(journal: StudyJournal? = nil, monitor: Monitor = { _ in }) throws -> Result {
    var result = Result()
    let components = components
    let tokens = Double(prompts.reduce(0) { $0 + $1.count })

    var fit = MemoryFit(plan: plan)
    func note(_ text: String) throws { try monitor(StudyProgress(flops: 0, activity: "", note: text)) }
    let means = options.replacement == .mean ? try ComponentMeans(model, prompts, plan: plan) : nil
    let collector = ActivityCollector(model, prompts: prompts, options: options)
    for (index, range) in plan.groups.enumerated() {
      let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
      let pass = try fit.whole(group) { () throws(BackendError) in try collector.observe(group) }
      var reference = try fit.run(group, note: note) { (plan) throws(BackendError) in try Reference(model, pass, plan: plan) }
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
        let outcomes =
          try known
          ?? fit.run(group, note: note) { (plan) throws(BackendError) in
            reference.keep(to: plan)
            return try pass.outcomes(without: members, against: reference, means: means, plan: plan)
          }
        if known == nil { try journal?.append(outcomes, group: index, layer: layer) }
        for (component, outcome) in zip(members, outcomes) { result.outcomes[component, default: Outcome([])].prompts += outcome }
        try finished(members.reduce(0) { $0 + cost.flops($1) }, "layer \(layer)", isKnown: known != nil)
      }
    }
    result.activity = options.proxies ? try collector.activity() : nil
    result.neurons = options.neurons ? collector.neurons() : nil
    if looksForSafeSet {
      result.safe = try measureSafeSet(given: result) { flops, activity in
        result.flops += flops
        try monitor(StudyProgress(flops: flops, activity: activity))
      }
    }
    if suggestsDrop {
      result.drop = try suggestDrop(given: result.outcomes, means: means, plan: fit.plan) { piece in
        result.flops += piece.flops
        try monitor(piece)
      }
    }
    return result
  }
}
