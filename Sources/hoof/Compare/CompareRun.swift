import Evaluation
import Formats
import Generation
import Surgery
import TensorCore
import Terminal
import Tokenization
import Training
import Transformer

/// One `hoof compare`: opens and checks everything, makes the cuts, measures, times, and writes the table.
struct CompareRun {
  private let arguments: Arguments
  private let base: ModelSource
  private let tokenizer: Tokenizer
  private let text: EvaluationText
  /// Of another domain.
  private let otherText: EvaluationText?
  private let choices: [StrategyChoice]
  private let cuts: [Contender]
  private let healing: HealOptions?
  private let tasks: ComparedTasks?

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let (basePath, cutPaths) = (arguments.first("BASE")!, arguments.all("CUT"))
    guard let data = arguments.string("data") else {
      throw UsageError(command: "compare", "--data FILE is missing: the held-out text to measure on")
    }
    guard !cutPaths.isEmpty || arguments.has("strategies") else {
      throw UsageError(command: "compare", "nothing to compare: give models cut from \(basePath), or --strategies")
    }
    healing = try HealOptions(arguments)
    tasks = try ComparedTasks(arguments)
    let texts = ["calibration", "ood", "heal-data"].compactMap { arguments.string($0) }
    let inputs = [basePath, data] + cutPaths + texts
    try checkOutputs(arguments, report: arguments.string("output"), inputs: inputs)
    let base = try Models.open(basePath)
    self.base = base
    choices = try StrategyReader(arguments: arguments, layers: base.config.layers.count).choices()
    tokenizer = try Models.requiredTokenizer(of: base)
    text = try EvaluationText(path: data)
    otherText = try arguments.string("ood").map { (path) throws(FormatError) in try EvaluationText(path: path) }
    let names = CompareRun.names(of: cutPaths)
    cuts = try zip(cutPaths, names).map { path, name in Contender(file: try Models.open(path), name: name, base: base) }
  }

  /// The files' own names, or whole paths where those do not tell them apart.
  private static func names(of paths: [String]) -> [String] {
    let short = paths.map { path in path.split(separator: "/").last.map(String.init) ?? path }
    return Set(short + ["base"]).count == short.count + 1 ? short : paths
  }

  func run() throws {
    let start = ContinuousClock.now
    let windows = try TextWindows(text, tokenizer, base.config, arguments)
    let others = try otherText.map { try TextWindows($0, tokenizer, base.config, arguments) }
    for case .file(let source) in cuts.map(\.origin) {
      try check(source, windows, of: text)
      if let others, let otherText { try check(source, others, of: otherText) }
    }
    let contenders = [Contender(base: base)] + cuts
    let timing = try timingPlan(context: contenders.map(\.config.contextLength).min()!)
    let prompts = try arguments.string("calibration").map { try Models.calibration(at: $0, for: base, arguments).prompts } ?? []
    for case .file(let source) in contenders.map(\.origin) { try source.checkFinite() }
    let training = try healing.flatMap { healing in try healing.dataPath.map { try trainingData($0, healing) } }

    let backend = try openBackend(arguments, for: base)
    try checkFit(on: backend)
    do {
      let model = try Llama(base, on: backend)
      var compared = try cuts + makeCuts(model, prompts)
      let healer = healing.map {
        Healer($0, base: base, model, data: training, prompts: prompts, budget: budget(on: backend), seed: seed)
      }
      if let healer { compared = try healer.heal(compared, quiet: arguments.has("quiet")) }
      let roster = try Roster([Contender(base: base)] + compared, base: model)
      let outcomes = try measure(roster, on: windows, backend)
      let otherOutcomes = try others.map { try measure(roster, on: $0, backend) }
      let scores = try tasks?.figures(of: roster, base, tokenizer, quiet: arguments.has("quiet"))
      let (plan, checks) = try healing == nil ? (nil, nil) : writings(roster, behind: windows)
      let speeds = try time(roster, timing)
      let rows = roster.rows {
        Roster.Figures(
          outcome: outcomes[$0], outOfDomain: otherOutcomes?[$0], generation: checks?[$0], tasks: scores?[$0] ?? [], speed: speeds[$0])
      }
      var conditions = ComparisonTable.Conditions(
        dataPath: text.path, dataSHA256: text.sha256, window: windows.length, windows: windows.sequences.count,
        hasBOS: windows.bos != nil, scoredTokens: windows.scoredTokens, backend: backend.name, warmUp: timing.warmUp, runs: timing.runs,
        prefixTokens: timing.prefixTokens, seed: seed)
      if let others, let otherText {
        conditions.outOfDomain = .init(path: otherText.path, sha256: otherText.sha256, scoredTokens: others.scoredTokens)
      }
      (conditions.healing, conditions.generation) = (healer?.conditions, plan)
      try write(ComparisonTable(rows, under: conditions, seconds: (ContinuousClock.now - start) / .seconds(1)))
    } catch let error as BackendError {
      throw CommandError("the comparison failed: \(error)")
    }
  }

  private var seed: Int { arguments.int("seed") ?? 0 }
  private func budget(on backend: any ComputeBackend) -> Int { arguments.int("memory") ?? StudyPlan.budget(on: backend) }
  static let nothingWritten = "nothing was written"

  private func timingPlan(context: Int) throws(UsageError) -> PairedTiming.Plan {
    let written = arguments.int("gen-tokens") ?? min(CompareRun.writtenTokens, max(1, context / 2))
    let prompt = arguments.int("prompt-tokens") ?? min(CompareRun.promptTokens, context)
    for (option, count, most) in [("gen-tokens", written, context - 1), ("prompt-tokens", prompt, context)] where count > most {
      throw UsageError(command: "compare", "--\(option) \(count): the models' context of \(context) tokens has room for \(most)")
    }
    return .init(
      warmUp: arguments.int("warmup") ?? 5, runs: arguments.int("runs") ?? 10, promptTokens: prompt,
      prefixTokens: min(prompt, context - written), writtenTokens: written)
  }

  private static let promptTokens = 512
  private static let writtenTokens = 32

  /// Whether a file's model reads the text as the base does.
  private func check(_ cut: ModelSource, _ windows: TextWindows, of text: EvaluationText) throws {
    guard cut.config.vocabularySize == base.config.vocabularySize else {
      throw CommandError(
        "its vocabulary of \(cut.config.vocabularySize) is not that of \(base.path), \(base.config.vocabularySize): their predictions "
          + "cannot be compared", at: cut.path)
    }
    // The same file, as every cut of hoof has it; or another one that reads the text alike.
    if cut.tokenizer == base.tokenizer { return }
    guard let other = try Models.tokenizer(of: cut) else { return }
    guard other.encode(text.whole, template: false) == windows.ids, other.bosTokens == tokenizer.bosTokens else {
      throw CommandError("its tokenizer reads \(text.path) as other tokens than that of \(base.path)", at: cut.path)
    }
  }

  /// The cuts from files are all loaded at once, and healed ones stay until they are measured.
  private func checkFit(on backend: any ComputeBackend) throws(CommandError) {
    let fits = ([base] + cuts.compactMap { cut in if case .file(let source) = cut.origin { source } else { nil } })
      .map { ModelFit($0, on: backend) }
    let healed = healing.map { $0.count * (cuts.count + choices.count) } ?? 0
    let healing = healed * base.sizes.bytes + (self.healing?.trainingBytes(base) ?? 0)
    let needed = fits.reduce(0) { $0 + $1.weights } + fits[0].workspace + healing
    guard needed <= fits[0].free else {
      throw CommandError(
        "\(fits.count + healed) models need \(ByteCount(needed)), \(ByteCount(fits[0].free)) are free on \(backend.name)",
        advice: "compare fewer at a time")
    }
  }

  private func trainingData(_ path: String, _ healing: HealOptions) throws(CommandError) -> TrainingData {
    do throws(FormatError) {
      return try TrainingData(
        path: path, tokenizer: tokenizer, config: base.config, format: ChatFormat(base, tokenizer),
        options: .init(maxTokens: healing.maxTokens(context: base.config.contextLength), bos: !arguments.has("no-bos")))
    } catch {
      throw CommandError(error.description)
    }
  }

  /// What every model writes behind beginnings of windows, beside the base's; nothing where no window is long enough.
  private func writings(
    _ roster: Roster, behind windows: TextWindows
  ) throws -> (GenerationCheck.Plan?, [GenerationCheck]?) {
    var plan = GenerationCheck.Plan()
    let context = roster.models.map(\.config.contextLength).min()!
    plan.promptTokens = min(plan.promptTokens, context / 2)
    plan.writtenTokens = min(plan.writtenTokens, context - plan.promptTokens)
    let prompts = plan.prompts(from: windows.sequences)
    plan.texts = prompts.count
    guard !prompts.isEmpty, plan.writtenTokens > 0 else { return (nil, nil) }
    let progress = Progress("writing", total: Double(roster.models.count), unit: .items("models"), quiet: arguments.has("quiet"))
    defer { progress.finish() }
    var written: [[[Int32]]] = []
    for (model, name) in zip(roster.models, roster.names) {
      written.append(try model.continuations(of: prompts, tokens: plan.writtenTokens))
      progress.advance(by: 1, label: name)
      try Interrupt.check(saved: CompareRun.nothingWritten)
    }
    return (plan, written.map { GenerationCheck($0, base: written[0]) })
  }

  /// - Parameter prompts: calibration texts; empty where no method needs any.
  private func makeCuts(_ model: Llama, _ prompts: [[Int32]]) throws -> [Contender] {
    var strategies = Strategies(base, model, prompts: prompts, budget: budget(on: model.backend), seed: seed)
    var left = strategies.cost(of: choices)
    let progress = Progress("choosing cuts", total: left, unit: .operations, quiet: arguments.has("quiet"))
    let cuts = try choices.map { choice in
      let plan = try strategies.cut(choice) { piece in
        if let note = piece.note { progress.note("hoof: \(note)") }
        left -= piece.flops
        progress.advance(by: piece.flops, label: choice.label)
        try Interrupt.check(saved: CompareRun.nothingWritten)
      }
      try Interrupt.check(saved: CompareRun.nothingWritten)
      return Contender(choice, plan)
    }
    // What the searches were thought to cost and did not.
    progress.skip(max(0, left))
    progress.finish()
    return cuts
  }

  /// Each model's outcome on all windows; a group of them at a time, so that no more than a group's logits are kept.
  private func measure(_ roster: Roster, on windows: TextWindows, _ backend: any ComputeBackend) throws -> [Outcome] {
    let lengths = windows.sequences.map(\.count)
    let budget = budget(on: backend)
    let plan = StudyPlan(lengths: lengths, config: base.config, components: roster.models.count, budget: budget, on: backend)
    let costs = roster.models.map { model in plan.groups.map { StudyCost(model.config, lengths: Array(lengths[$0])).full } }
    let progress = Progress(
      "measuring", total: costs.joined().reduce(0, +), unit: .operations, quiet: arguments.has("quiet"))
    defer { progress.finish() }
    var outcomes = Array(repeating: Outcome([]), count: roster.models.count)
    for (group, range) in plan.groups.enumerated() {
      let sequences = Array(windows.sequences[range])
      let part = StudyPlan(lengths: sequences.map(\.count), config: base.config, budget: budget, on: backend)
      let comparison = try ModelComparison(base: roster.models[0], prompts: sequences, plan: part)
      for (index, model) in roster.models.enumerated() {
        outcomes[index].prompts += index == 0 ? comparison.baseline.prompts : try comparison.outcome(of: model).prompts
        progress.advance(by: costs[index][group], label: roster.names[index])
        try Interrupt.check(saved: CompareRun.nothingWritten)
      }
    }
    guard outcomes[0].crossEntropy.isFinite else {
      throw CommandError(
        "the base's own loss is not a number", at: base.path, advice: "its weights overflow: check the file it was made from")
    }
    return outcomes
  }

  private func time(_ roster: Roster, _ plan: PairedTiming.Plan) throws -> [(prefill: Throughput, decode: Throughput)] {
    var timing = try PairedTiming(roster.models, plan: plan, seed: seed)
    let progress = Progress(
      "timing", total: Double(plan.rounds * roster.models.count), unit: .items("passes"), quiet: arguments.has("quiet"))
    defer { progress.finish() }
    return try timing.run { round in
      progress.advance(by: 1, label: round < plan.warmUp ? "warming up" : "round \(round - plan.warmUp + 1) of \(plan.runs)")
      try Interrupt.check(saved: CompareRun.nothingWritten)
    }
  }

  private func write(_ table: ComparisonTable) throws {
    let json = table.json.text(pretty: true) + "\n"
    if let path = arguments.string("output") { try AtomicFile.write(json, to: path, force: arguments.has("force")) }
    if let path = arguments.string("html") {
      try AtomicFile.write(ComparisonPage.html(table), to: path, force: arguments.has("force"))
    }
    switch ComparisonFormat(arguments) {
    case .table: try Output.write(ComparisonText(table: table).text)
    case .markdown: try Output.write(ComparisonText(table: table).markdown)
    case .csv: try Output.write(table.csv)
    case .json: try Output.write(json)
    }
  }
}
