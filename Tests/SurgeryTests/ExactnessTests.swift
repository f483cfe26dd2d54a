import BackendCPU
import Evaluation
import Formats
import Glibc
import Surgery
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Transformer

/// The engine shares prefixes and runs changed models side by side. Here each change is one full pass of its own, made with a hook, one
/// prompt at a time: the engine has to give the same numbers.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct ExactnessTests {
  /// Per-prompt mean divergence of one change, the plain way.
  static func naive(_ model: Llama, _ prompts: [[Int32]], _ visitor: @escaping Eager.Visitor) throws -> [Double] {
    try prompts.map { prompt in
      let layout = try PackedLayout(lengths: [prompt.count], on: model.backend)
      let ids = try Tensor(prompt, on: model.backend)
      let full = try model.hidden(ids, layout, in: Eager()).linear(model.head)
      let changed = try model.hidden(ids, layout, in: Eager(visitor: visitor)).linear(model.head)
      let divergences = try Tensor(prompt.count, 1, on: model.backend)
      model.backend.klDivergence(of: full, from: changed, scale: 1, into: divergences, dQ: nil)
      return try divergences.floats().reduce(0) { $0 + Double($1) }
    }
  }

  /// A hook that makes the change of one component, given what stands in for it (nil: zero).
  static func hook(_ component: Component, _ model: Llama, entering: Box) -> Eager.Visitor {
    let layer = model.layers[component.layer]
    return { (site, x) throws(BackendError) in
      guard site.layer == component.layer else { return x }
      let zero = { () throws(BackendError) -> Tensor in
        let out = try x.like()
        x.backend.fill(out, with: 0)
        return out
      }
      switch (component, site.point) {
      case (.layer, .residualIn):
        entering.tensor = x
        return x
      case (.layer, .residualOut): return entering.tensor!
      case (.attention, .attentionOut), (.mlp, .mlpOut): return try zero()
      case (.head, .headsOut), (.keyHead, .headsOut):
        let heads = layer.attention!.shape.queryHeads
        let silent: Range<Int>
        switch component {
        case .head(_, let head): silent = head..<head + 1
        case .keyHead(_, let group):
          silent = group * heads / layer.attention!.shape.keyHeads..<(group + 1) * heads / layer.attention!.shape.keyHeads
        default: silent = 0..<0
        }
        return try x.masked(by: Tensor((0..<heads).map { silent.contains($0) ? 0 : 1 }, rows: 1, columns: heads, on: x.backend))
      default: return x
      }
    }
  }

  final class Box { var tensor: Tensor? }

  @Test("every change gives the numbers of a full pass of its own", arguments: [1 << 30, 1 << 20])
  func oneAtATime(budget: Int) throws {
    var study = try AblationReferenceTests.study("stories260K", on: CPUBackend())
    let prompts = Array(study.prompts[0..<6])
    let plan = StudyPlan(lengths: prompts.map(\.count), config: study.model.config, budget: budget)
    #expect((plan.groups.count > 1) == (budget < 1 << 30))
    study = AblationStudy(study.model, prompts: prompts, options: study.options, plan: plan)
    let result = try study.run()
    for (component, outcome) in result.outcomes {
      let expected = try Self.naive(study.model, prompts, Self.hook(component, study.model, entering: Box()))
      for (prompt, value) in zip(outcome.prompts, expected) {
        // Sums of ~60 float divergences; adding in another order moves the last bits.
        #expect(relativeError(prompt.divergence, value, floor: 1e-3) < 2e-5, "\(component)")
      }
    }
  }

  @Test("mean ablation puts the mean over all tokens in the component's place")
  func meanAblation() throws {
    var study = try AblationReferenceTests.study("stories260K", on: CPUBackend())
    let prompts = Array(study.prompts[0..<4])
    var options = study.options
    options.replacement = .mean
    let plan = StudyPlan(lengths: prompts.map(\.count), config: study.model.config, budget: 1 << 30)
    study = AblationStudy(study.model, prompts: prompts, options: options, plan: plan)
    let result = try study.run()

    // Means gathered independently, by a hook on one pass per prompt.
    for (component, point) in [
      (Component.attention(2), Site.Point.attentionOut), (.mlp(1), .mlpOut), (.head(layer: 3, head: 5), .headsOut),
    ] {
      var sum: [Double] = []
      for prompt in prompts {
        let layout = try PackedLayout(lengths: [prompt.count], on: study.model.backend)
        let graph = Eager { (site, x) throws(BackendError) in
          if site == Site(layer: component.layer, point: point) {
            let values = try x.floats()
            if sum.isEmpty { sum = [Double](repeating: 0, count: x.columns) }
            for (index, value) in values.enumerated() { sum[index % x.columns] += Double(value) }
          }
          return x
        }
        _ = try study.model.hidden(Tensor(prompt, on: study.model.backend), layout, in: graph)
      }
      let tokens = Double(prompts.reduce(0) { $0 + $1.count })
      let columns: Range<Int>
      if case .head(_, let head) = component { columns = head * 8..<head * 8 + 8 } else { columns = 0..<sum.count }
      let expected = try Self.naive(study.model, prompts) { (site, x) throws(BackendError) in
        guard site == Site(layer: component.layer, point: point) else { return x }
        var values = try x.floats()
        for index in values.indices where columns.contains(index % x.columns) { values[index] = Float(sum[index % x.columns] / tokens) }
        return try Tensor(values, rows: x.rows, columns: x.columns, on: x.backend)
      }
      let outcome = try #require(result.outcomes[component])
      for (prompt, value) in zip(outcome.prompts, expected) {
        #expect(relativeError(prompt.divergence, value, floor: 1e-3) < 1e-4, "\(component)")
      }
    }
  }

  @Test("a greedy suggestion measures again after each removal")
  func greedy() throws {
    var study = try AblationReferenceTests.study("stories260K", on: CPUBackend())
    var options = StudyOptions()
    options.suggestDrop = 3
    study = AblationStudy(study.model, prompts: Array(study.prompts[0..<8]), options: options, plan: study.plan(prompts: 8))
    let steps = try study.run().drop
    #expect(steps.count == 3)
    var removed: Set<Int> = []
    for step in steps {
      var best: (layer: Int, divergence: Double)?
      for layer in study.model.layers.indices where !removed.contains(layer) {
        let divergence = try study.measure(without: removed.union([layer])).meanDivergence
        if divergence < best?.divergence ?? .infinity { best = (layer, divergence) }
      }
      removed.insert(step.layer)
      #expect(step.layer == best?.layer)
      #expect(relativeError(step.divergence, best?.divergence) < 1e-5)
    }
  }
}

extension AblationStudy {
  func plan(prompts count: Int) -> StudyPlan {
    StudyPlan(lengths: prompts[0..<count].map(\.count), config: model.config, budget: 1 << 30)
  }
}
