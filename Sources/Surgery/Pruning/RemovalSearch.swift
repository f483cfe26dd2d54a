import Formats
import TensorCore
import Transformer

/// Takes layers and sublayers out of a model, one after another, and measures on calibration prompts what the next one would cost.
///
/// Prefixes are shared: a candidate of layer l starts from the residual stream that enters l, and after a removal in layer l the streams up to
/// there stay valid. What the full model says is computed once, not once per step. Only where the prompts do not fit into memory together
/// (several groups of the plan) the streams are made again for every step.
public final class RemovalSearch {
  public typealias Monitor = AblationStudy.Monitor

  /// The whole model.
  public let model: Llama
  public let prompts: [[Int32]]
  /// The model without what is out.
  public private(set) var current: Llama
  /// What is out: layers and sublayers.
  public private(set) var removed = CutPlan()
  /// How many parts are out.
  public private(set) var step = 0
  /// The whole model against itself: its loss.
  public private(set) var baseline = Outcome([])
  public internal(set) var cost: SearchCost
  /// What was seen while the whole model ran; nil unless it was asked for.
  public private(set) var activity: ActivityStatistics?
  private let means: ComponentMeans?
  let journal: StudyJournal?
  private var fit: MemoryFit
  private var groups: [Group]

  private struct Group {
    let prompts: PromptGroup
    var reference: Reference
    /// Kept where there is one group only.
    var pass: PrefixPass?
    /// The first layer that changed since the pass was made.
    var staleFrom: Int?
  }

  /// Runs the whole model once.
  /// - Parameters:
  ///   - observing: whether `activity` is gathered.
  ///   - means: what stands in for candidates; nil leaves nothing.
  ///   - journal: where finished measurements are kept; its plan must be `plan`.
  init(
    _ model: Llama, prompts: [[Int32]], plan: StudyPlan, observing: Bool = false, means: ComponentMeans? = nil,
    journal: StudyJournal? = nil, monitor: Monitor = { _ in }
  ) throws {
    precondition(!prompts.isEmpty && prompts.allSatisfy { !$0.isEmpty }, "search: an empty prompt")
    self.model = model
    self.prompts = prompts
    self.means = means
    self.journal = journal
    current = model
    fit = MemoryFit(plan: plan)
    groups = []
    cost = SearchCost(model.config)
    var options = StudyOptions()
    func note(_ text: String) throws { try monitor(StudyProgress(flops: 0, activity: "", note: text)) }
    options.proxies = true
    let collector = observing ? ActivityCollector(model, prompts: prompts, options: options) : nil
    for range in plan.groups {
      let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
      let pass = try fit.whole(group) { () throws(BackendError) in
        if let collector { return try collector.observe(group) }
        return try PrefixPass(model, group)
      }
      var reference = try fit.run(group, note: note) { (plan) throws(BackendError) in try Reference(model, pass, plan: plan) }
      baseline.prompts += reference.outcomes
      let isOnly = plan.groups.count == 1
      if !isOnly { reference.rest() }
      groups.append(Group(prompts: group, reference: reference, pass: isOnly ? pass : nil))
      try monitor(StudyProgress(flops: StudyCost(model.config, lengths: group.layout.lengths).full, activity: "full model"))
    }
    activity = try collector?.activity()
  }

  /// What the model loses when each of these goes besides what is out already. None of them may be out.
  public func measure(_ candidates: [Component], metric: SearchMetric = .kl, activity: String, monitor: Monitor) throws -> [Component:
    Outcome]
  {
    let layers = Dictionary(grouping: candidates, by: \.layer).mapValues { $0.sorted { $0.runsMLP && !$1.runsMLP } }
    cost.count(candidates, in: current.config, sharedFrom: groups.count == 1 ? groups[0].staleFrom : step == 0 ? nil : 0)
    var outcomes: [Component: Outcome] = [:]
    for index in groups.indices {
      let flops = StudyCost(current.config, lengths: groups[index].prompts.layout.lengths)
      for (layer, members) in layers.sorted(by: { $0.key < $1.key }) {
        let known = journal?.outcomes(group: index, layer: layer, step: step).flatMap { $0.count == members.count ? $0 : nil }
        let measured = try known ?? measure(members, group: index, metric, monitor)
        if known == nil { try journal?.append(measured, group: index, layer: layer, step: step) }
        for (component, outcome) in zip(members, measured) { outcomes[component, default: Outcome([])].prompts += outcome }
        try monitor(
          StudyProgress(flops: members.reduce(0) { $0 + flops.flops($1) }, activity: activity, isKnown: known != nil))
      }
      rest(index)
    }
    return outcomes
  }

  private func measure(_ members: [Component], group index: Int, _ metric: SearchMetric, _ monitor: Monitor) throws -> [[PromptOutcome]] {
    func note(_ text: String) throws { try monitor(StudyProgress(flops: 0, activity: "", note: text)) }
    let pass = try pass(of: index)
    return try fit.run(groups[index].prompts, note: note) { (plan) throws(BackendError) in
      try prepare(index, plan)
      return try pass.outcomes(
        without: members, against: groups[index].reference, means: means, plan: plan, jensenShannon: metric == .js)
    }
  }

  /// Takes a part out for good.
  public func remove(_ component: Component) {
    switch component {
    case .layer(let layer): removed.layers.insert(layer)
    case .attention(let layer): removed.attention.insert(layer)
    case .mlp(let layer): removed.mlp.insert(layer)
    case .head, .keyHead: preconditionFailure("search: heads are not among its parts")
    }
    step += 1
    current = model.without(removed)
    for index in groups.indices { groups[index].staleFrom = min(groups[index].staleFrom ?? .max, component.layer) }
  }

  /// The whole model without the parts of `cut`, which are layers and sublayers. Only before anything was removed for good.
  /// - Parameter place: where the journal keeps it; nil measures it anew, which is one short pass.
  public func outcome(
    of cut: CutPlan, journaledAs place: (layer: Int, step: Int)? = nil, monitor: Monitor = { _ in }
  ) throws -> Outcome {
    precondition(step == 0, "search: the whole model's pass is gone")
    func note(_ text: String) throws { try monitor(StudyProgress(flops: 0, activity: "", note: text)) }
    let left = model.without(cut)
    let first = (cut.layers.union(cut.attention).union(cut.mlp)).min() ?? 0
    cost.count(suffixFrom: groups.count == 1 ? first : 0, of: left.config)
    var outcome = Outcome([])
    for index in groups.indices {
      let group = groups[index].prompts
      let known = place.flatMap { journal?.outcomes(group: index, layer: $0.layer, step: $0.step)?.first }
      let measured =
        try known
        ?? fit.run(group, note: note) { (plan) throws(BackendError) in
          try prepare(index, plan)
          let x: Tensor
          if let kept = groups[index].pass?.residuals[first] {
            x = try left.run(entered: kept.copied(), group.layout, from: first)
          } else {
            x = try left.run(left.embed(group.ids, in: Eager()), group.layout, layers: left.layers.indices, in: Eager(ownsStream: true))
          }
          return try groups[index].reference.outcomes(of: left, leaving: x, plan: plan)[0]
        }
      if known == nil, let place { try journal?.append([measured], group: index, layer: place.layer, step: place.step) }
      outcome.prompts += measured
      rest(index)
      let flops = StudyCost(left.config, lengths: group.layout.lengths)
      try monitor(
        StudyProgress(flops: flops.pass(first..<left.layers.count), activity: "measuring the cut", isKnown: known != nil))
    }
    return outcome
  }

  private func prepare(_ index: Int, _ plan: StudyPlan) throws(BackendError) {
    groups[index].reference.keep(to: plan)
    try groups[index].reference.wake(model, plan: plan)
  }

  private func rest(_ index: Int) { if groups.count > 1 { groups[index].reference.rest() } }

  /// The current model's residual streams on a group's prompts.
  private func pass(of index: Int) throws -> PrefixPass {
    let group = groups[index]
    if let pass = group.pass, group.staleFrom == nil { return pass }
    let (current, stale) = (current, group.staleFrom ?? 0)
    let pass = try fit.whole(group.prompts) { () throws(BackendError) in
      if let pass = group.pass { return try PrefixPass(current, from: stale, of: pass) }
      return try PrefixPass(current, group.prompts)
    }
    if groups.count == 1 {
      groups[index].pass = pass
      groups[index].staleFrom = nil
    }
    return pass
  }
}

extension Llama {
  /// The model without a plan's layers and sublayers.
  func without(_ cut: CutPlan) -> Llama { without(layers: cut.layers, attention: cut.attention, mlp: cut.mlp) }

  /// The layers from `start` on, for a residual stream that has entered it and is not needed afterwards.
  fileprivate func run(entered x: Tensor, _ layout: PackedLayout, from start: Int) throws(BackendError) -> Tensor {
    let graph = Eager(ownsStream: true)
    return try run(layers[start](x, layout, in: graph), layout, layers: start + 1..<layers.count, in: graph)
  }
}
