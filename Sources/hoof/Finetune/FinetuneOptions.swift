import Terminal
import Training

/// What the command line says about a run, checked as far as that goes without the model.
struct FinetuneOptions {
  /// When checkpoints are saved.
  enum Saving: Equatable {
    case never
    case steps(Int)
    case seconds(Double)
  }

  /// nil for a length in epochs.
  let steps: Int?
  let epochs: Int
  let rate: Double?
  let batch: BatchOrder.Size
  let accumulation: Int
  let saving: Saving
  let checkpointsActivations: Bool?
  let parts: TrainedParts
  let optimizer: Optimizer.Options
  private let warmUp: WarmUp
  private let arguments: Arguments

  private enum WarmUp {
    case steps(Int)
    case share(Double)
  }

  init(_ arguments: Arguments) throws(UsageError) {
    self.arguments = arguments
    steps = arguments.int("steps")
    epochs = arguments.int("epochs") ?? 3
    rate = arguments.double("lr")
    batch = arguments.int("batch-tokens").map { .tokens($0) } ?? .examples(arguments.int("batch") ?? 8)
    accumulation = arguments.int("accumulate") ?? 1
    warmUp = try FinetuneOptions.warmUp(arguments.string("warmup") ?? "3%")
    saving = try FinetuneOptions.saving(arguments.string("save-every") ?? "10m")
    let checkpoints = ["on": true, "off": false]
    checkpointsActivations = arguments.string("checkpoint-activations").flatMap { checkpoints[$0] }
    parts = try FinetuneOptions.parts(arguments)
    optimizer = Optimizer.Options(
      kind: arguments.string("optimizer").flatMap(Optimizer.Kind.init) ?? .adamw, beta1: arguments.double("beta1") ?? 0.9,
      beta2: arguments.double("beta2") ?? 0.999, epsilon: arguments.double("epsilon") ?? 1e-8, decay: arguments.double("weight-decay") ?? 0)
    if arguments.has("finish"), !arguments.has("resume") { throw FinetuneOptions.refuse("--finish goes with --resume") }
    let hasHeldOut = arguments.has("eval-data") || arguments.has("eval-split")
    for name in ["eval-every", "keep-best"] where arguments.has(name) && !hasHeldOut {
      throw FinetuneOptions.refuse("--\(name) measures on texts that are not trained on: --eval-data FILE or --eval-split SHARE is missing")
    }
  }

  static func refuse(_ reason: String) -> UsageError { UsageError(command: "finetune", reason) }

  private static func parts(_ arguments: Arguments) throws(UsageError) -> TrainedParts {
    let frozen = arguments.string("freeze")?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
    if frozen.contains("") { throw refuse("--freeze: there is an empty name in '\(arguments.string("freeze")!)'") }
    var parts = TrainedParts(frozen: frozen)
    if arguments.has("patch-only") { parts.scope = .patches }
    if arguments.has("layers-near-cut") {
      parts.scope = .nearCut(layers: arguments.int("layers-each-side") ?? 1)
    } else if arguments.has("layers-each-side") {
      throw refuse("--layers-each-side goes with --layers-near-cut")
    }
    return parts
  }

  /// "100" or "3%"
  private static func warmUp(_ text: String) throws(UsageError) -> WarmUp {
    if let steps = Int(text), steps >= 0 { return .steps(steps) }
    if text.hasSuffix("%"), let percent = Double(text.dropLast()), (0...100).contains(percent) { return .share(percent / 100) }
    throw refuse("--warmup: expected steps or a share of them, as in 100 or 3%, not '\(text)'")
  }

  /// "500", "30m" or "30min", "0"
  private static func saving(_ text: String) throws(UsageError) -> Saving {
    if let steps = Int(text), steps >= 0 { return steps == 0 ? .never : .steps(steps) }
    let ending = ["minutes", "min", "m"].first { text.hasSuffix($0) }
    if let ending, let minutes = Double(text.dropLast(ending.count)), minutes > 0, minutes < 1e6 { return .seconds(60 * minutes) }
    throw refuse("--save-every: expected steps or minutes, as in 500 or 30m, not '\(text)'")
  }

  func plan(_ kind: TrainingKind, examples: [TrainingExample]) throws(UsageError) -> TrainingPlan {
    let seed = UInt64(arguments.int("seed") ?? 0)
    let steps = steps ?? BatchOrder(examples, size: batch, accumulation: accumulation, seed: seed).steps(epochs: epochs)
    let peak = rate ?? kind.defaultRate
    let floor = arguments.double("min-lr") ?? 0
    guard floor <= peak else { throw FinetuneOptions.refuse("--min-lr: \(floor) is above the peak, \(peak)") }
    let schedule = arguments.string("schedule").flatMap(Schedule.Kind.init) ?? .cosine
    if arguments.has("min-lr"), schedule == .constant { throw FinetuneOptions.refuse("--min-lr goes with --schedule linear or cosine") }
    let rising: Int
    switch warmUp {
    case .steps(let count): rising = count
    case .share(let share): rising = Int((share * Double(steps)).rounded())
    }
    guard rising < steps || rising == 0 else {
      throw FinetuneOptions.refuse("--warmup: \(rising) steps of warm-up leave none of \(steps) to train with")
    }
    return TrainingPlan(
      schedule: Schedule(schedule, peak: peak, floor: peak > 0 ? floor / peak : 0, warmUp: rising, steps: steps), optimizer: optimizer,
      clip: arguments.double("clip") ?? 1, batch: batch, accumulation: accumulation, seed: seed)
  }
}
