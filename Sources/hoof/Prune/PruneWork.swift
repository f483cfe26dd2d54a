import Evaluation
import Formats
import Surgery
import TensorCore
import Terminal

/// Progress of a search: how much there is to do, and what is said meanwhile.
final class PruneWork {
  private let arguments: Arguments
  private let config: LlamaConfig
  private let options: PruneOptions
  private let lengths: [Int]
  private let progress: Progress
  private var left: Double

  init(_ arguments: Arguments, _ source: ModelSource, _ calibration: Calibration?, _ goal: PruneGoal, _ options: PruneOptions) {
    self.arguments = arguments
    config = source.config
    self.options = options
    lengths = calibration?.prompts.map(\.count) ?? []
    left = lengths.isEmpty ? 0 : PruneWork.flops(config, lengths, goal, options)
    progress = Progress("searching", total: left, unit: .operations, quiet: arguments.has("quiet"))
  }

  func studyPlan(_ calibration: Calibration, on backend: any ComputeBackend) -> StudyPlan {
    let parts = options.method.facts.unit == .sublayers ? 2 * config.layers.count : config.layers.count
    let budget = arguments.int("memory") ?? StudyPlan.budget(on: backend)
    return StudyPlan(lengths: lengths, config: config, components: parts, budget: budget, on: backend)
  }

  /// About what the search takes: which parts go, and with a limit how many, is not known beforehand.
  private static func flops(_ config: LlamaConfig, _ lengths: [Int], _ goal: PruneGoal, _ options: PruneOptions) -> Double {
    let cost = StudyCost(config, lengths: lengths)
    let count = config.layers.count
    let single = config.layers.indices.reduce(0) { $0 + cost.flops(.layer($1)) }
    var share = 0.5
    if case .drop(let wanted)? = goal.budget { share = Double(wanted) / Double(count) }
    if case .ratio(let ratio)? = goal.budget { share = ratio }
    share = min(1, share)
    let steps = share * Double(count)
    switch options.method {
    case .ablation: return cost.full + single + steps * cost.full / 2
    // Fewer candidates in each step, and shorter suffixes.
    case .greedy: return cost.full + steps * single * (1 - share + share * share / 3)
    case .finercut: return cost.full + 4 * steps * single * (1 - share + share * share / 3)
    case .segment: return cost.full + (goal.budget == nil ? steps : 1) * single * (1 - share)
    case .segmentGate: return cost.full + (goal.budget == nil ? steps : 1) * cost.full * PruneMethod.gatePasses(prompts: lengths.count)
    default: return cost.full + steps * cost.full / 2
    }
  }

  /// - Parameter saved: what an interrupted run says is kept.
  func monitor(saved: String?) -> (StudyProgress) throws -> Void {
    { [self] piece in
      if let note = piece.note { return progress.note("hoof: \(note)") }
      left -= piece.flops
      if piece.isKnown { progress.skip(piece.flops) } else { progress.advance(by: piece.flops, label: piece.activity) }
      try Interrupt.check(saved: saved)
    }
  }

  func finish() {
    progress.skip(max(0, left))
    progress.finish()
  }

  func noteSpeed(_ pruner: Pruner, _ seconds: Double) {
    guard !arguments.has("quiet"), let cost = pruner.search?.cost else { return }
    Output.note(
      "hoof: measured in \(TimeSpan(seconds)), \(cost.layerPasses.fixed(1)) layer passes; one full pass per candidate would take "
        + cost.naive.fixed(1))
  }
}
