import Evaluation
import Formats
import Glibc
import JSON
import Spelling
import Surgery
import TensorCore
import Terminal
import Transformer

/// `hoof prune MODEL --method NAME`: chooses what goes, writes model and plan, and proves the result.
struct PruneRun {
  private let arguments: Arguments
  private let modelPath: String
  private let options: PruneOptions
  private let goal: PruneGoal

  init(_ arguments: Arguments) throws(UsageError) {
    self.arguments = arguments
    modelPath = arguments.first("MODEL")!
    func refuse(_ reason: String) -> UsageError { UsageError(command: "prune", reason) }
    let method = PruneMethod(rawValue: arguments.string("method")!)!
    goal = try PruneRun.goal(arguments)
    if !arguments.has("output"), !arguments.has("dry-run") { throw refuse("-o is missing: -o OUT.hoof") }
    if goal.budget == nil, !goal.hasLimit {
      throw refuse("how much? --drop K, --ratio R, --target-params N, --target-bytes SIZE, --max-kl X or --max-ppl-increase P")
    }
    if !arguments.has("calibration") {
      if method.facts.calibration == .texts { throw refuse("--method \(method.rawValue) measures: --calibration FILE is missing") }
      if goal.hasLimit { throw refuse("a limit is measured on texts: --calibration FILE is missing") }
    }
    if arguments.has("metric"), !PruneOptions.searches.contains(method) { throw refuse("--metric goes with greedy and finercut") }
    if arguments.has("exclude"), method != .finercut { throw refuse("--exclude goes with finercut") }
    if arguments.has("axes"), method != .minitron { throw refuse("--axes goes with minitron") }
    if arguments.has("neuron-multiple"), method.facts.unit != .neurons {
      throw refuse("--neuron-multiple goes with methods that cut neurons")
    }
    if arguments.has("patch") {
      let unit = method.facts.unit
      guard unit == .layers || unit == .sublayers else { throw refuse("--patch repairs cuts of layers and sublayers") }
      guard arguments.has("calibration") else { throw refuse("a patch is fitted on texts: --calibration FILE is missing") }
    }
    if arguments.has("seed"), method != .random { throw refuse("--seed goes with random") }
    if arguments.has("resume"), !PruneRun.journaled.contains(method) {
      throw refuse("--resume goes with methods that measure for long: \(PruneRun.journaled.map(\.rawValue).joined(separator: ", "))")
    }
    var options = PruneOptions(method: method)
    options.metric = arguments.string("metric").flatMap(SearchMetric.init)
    options.exclude = arguments.double("exclude") ?? 0
    options.keepEnds = arguments.has("keep-ends")
    options.seed = arguments.int("seed") ?? 0
    options.axes = try PruneRun.axes(arguments) ?? options.axes
    options.neuronMultiple = arguments.int("neuron-multiple") ?? options.neuronMultiple
    self.options = options
  }

  private static func axes(_ arguments: Arguments) throws(UsageError) -> Set<WidthPruning.Axis>? {
    guard let list = arguments.string("axes") else { return nil }
    var axes: Set<WidthPruning.Axis> = []
    let names = WidthPruning.Axis.allCases.map(\.rawValue)
    for name in list.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      guard let axis = WidthPruning.Axis(rawValue: name) else {
        let hint = NearestName.hint(for: name, in: names)
        throw UsageError(command: "prune", "--axes: expected some of \(names.joined(separator: ",")), not '\(name)'\(hint)")
      }
      axes.insert(axis)
    }
    return axes
  }

  /// Methods whose measurements are kept until the model is written.
  private static let journaled: [PruneMethod] = [.ablation, .greedy, .finercut, .segment, .segmentGate]

  private static func goal(_ arguments: Arguments) throws(UsageError) -> PruneGoal {
    var goal = PruneGoal(maxDivergence: arguments.double("max-kl"))
    if let count = arguments.int("drop") { goal.budget = .drop(count) }
    if let ratio = arguments.double("ratio") { goal.budget = .ratio(ratio) }
    if let count = arguments.int("target-params") { goal.budget = .parameters(count) }
    if let bytes = arguments.int("target-bytes") { goal.budget = .bytes(bytes) }
    if let text = arguments.string("max-ppl-increase") {
      let number = text.hasSuffix("%") ? String(text.dropLast()) : text
      guard let percent = Double(number), percent >= 0, percent.isFinite else {
        throw UsageError(command: "prune", "--max-ppl-increase: expected per cent, as in 10 or 10%, not '\(text)'")
      }
      goal.maxPerplexityIncrease = percent
    }
    return goal
  }

  func run() throws {
    let isDry = arguments.has("dry-run")
    let output = isDry ? nil : arguments.string("output")
    let planPath = isDry ? nil : arguments.string("plan") ?? output.map(PruneRun.planPath)
    let inputs = [modelPath, arguments.string("calibration")].compactMap(\.self)
    try checkOutputs([output, planPath].compactMap(\.self), inputs: inputs, force: arguments.has("force"))
    let place = PruneRun.journaled.contains(options.method) ? output.map { JournalPlace(beside: $0, arguments) } : nil
    try place?.refuseStale()

    let source = try Models.open(modelPath)
    let calibration = try arguments.string("calibration").map { try Models.calibration(at: $0, for: source, arguments) }
    if let calibration { warn(calibration) }
    try source.checkFinite()
    let backend = try openBackend(arguments, for: source)
    let model = try Llama(source, on: backend)
    let subject = PrunePlan.Source(path: modelPath, fingerprint: source.fingerprint(), origin: source.origin)
    let matrixType = MatrixType.wanted(arguments)

    let work = PruneWork(arguments, source, calibration, goal, options)
    let study = calibration.map { work.studyPlan($0, on: backend) }
    let journal = try study.flatMap { study in
      try place?.open(
        [subject.fingerprint, calibration!.sha256, "\(calibration!.maxTokens)", "\(arguments.has("no-bos"))", options.identity],
        on: backend, arguments, study)
    }
    let start = ContinuousClock.now
    var pruner: Pruner
    let result: Pruner.Result
    do {
      let monitor = work.monitor(saved: journal == nil ? "nothing was written" : place?.saved)
      pruner = try Pruner(
        source, model, options: options, matrixType: matrixType, prompts: calibration?.prompts, plan: journal?.plan ?? study,
        journal: journal, monitor: monitor)
      if let search = pruner.search, !search.baseline.crossEntropy.isFinite {
        journal?.remove()
        throw CommandError(
          "the model's own loss is not a number", at: modelPath, advice: "its weights overflow: check the file it was made from")
      }
      result = try pruner.run(goal, monitor: monitor)
      work.finish()
    } catch let error as BackendError {
      // The device is lost to this process, not to the next one.
      throw CommandError("\(error)", advice: journal == nil ? nil : place?.saved)
    } catch let error as PruneError {
      work.finish()
      journal?.remove()
      throw CommandError("\(error)", at: modelPath)
    }
    work.noteSpeed(pruner, (ContinuousClock.now - start) / .seconds(1))

    let bare = result.cut.normalized(for: source.config)
    var outcome = result.steps.last?.outcome
    let patched = try arguments.string("patch").flatMap(CutPlan.Patch.Kind.init).map { kind in
      try patch(bare, kind, source, model, calibration!.prompts, journal?.plan ?? study!)
    }
    if let patched { outcome = patched.outcome }
    let cuts = patched?.plan ?? bare
    let measured = outcome.map { PrunePlan.Measured(divergence: $0.meanDivergence, perplexity: $0.perplexity) }
    let after =
      try patched == nil
      ? result.steps.last?.after
      : ModelImport(
        source, matrixType: matrixType, cut: cuts.cut(of: source.config, method: options.method.rawValue)
      ).after
    let plan = PrunePlan(
      result, of: pruner, cuts: cuts, after: after ?? source.sizes, matrixType: matrixType, source: subject,
      calibration: calibration.map {
        .init(path: $0.path, sha256: $0.sha256, prompts: $0.prompts.count, tokens: $0.tokens, maxTokens: $0.maxTokens)
      }, measured: measured, patches: patched?.decisions ?? [])
    var finished = try FinishedCut(plan, text: plan.text, of: source, model, matrixType: matrixType, prompts: calibration?.prompts)
    if let output {
      try finished.write(to: output, arguments)
      try AtomicFile.write(plan.text, to: planPath!, force: arguments.has("force"))
      finished.planPath = planPath
      journal?.remove()
      try finished.prove(arguments)
    }
    try finished.print(arguments)
  }

  /// Fits patches to what was cut, and says which ones stay.
  private func patch(
    _ cuts: CutPlan, _ kind: CutPlan.Patch.Kind, _ source: ModelSource, _ model: Llama, _ prompts: [[Int32]], _ study: StudyPlan
  ) throws -> LinearPatch.Result {
    let result: LinearPatch.Result
    do {
      result = try LinearPatch.fit(base: model, source: source, plan: cuts, kind: kind, prompts: prompts, studyPlan: study) { _, _ in
        try Interrupt.check(saved: "nothing was written")
      }
    } catch let error as PatchError {
      throw CommandError("\(error)", at: modelPath)
    }
    if !arguments.has("quiet") { for note in result.notes { Output.note("hoof: \(note)") } }
    return result
  }

  /// cut.hoof → cut.plan.json
  private static func planPath(beside output: String) -> String {
    (output.hasSuffix(".hoof") ? String(output.dropLast(5)) : output) + ".plan.json"
  }

  /// Fewer than this, and what is chosen is chosen by chance.
  private static let fewestPrompts = 8
  private static let fewestTokens = 1000

  private func warn(_ calibration: Calibration) {
    guard !arguments.has("quiet"),
      calibration.prompts.count < PruneRun.fewestPrompts || calibration.tokens < PruneRun.fewestTokens
    else { return }
    Output.note(
      "hoof: \(calibration.path) has only \(calibration.prompts.count) texts of \(calibration.tokens) tokens; below "
        + "\(PruneRun.fewestPrompts) texts or \(PruneRun.fewestTokens) tokens a choice says little about other texts")
  }
}
