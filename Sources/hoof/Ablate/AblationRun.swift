import Evaluation
import Formats
import Glibc
import JSON
import Surgery
import TensorCore
import Terminal
import Tokenization
import Transformer

/// One run of `hoof ablate MODEL`: reads and checks everything, studies, writes the report.
struct AblationRun {
  private let arguments: Arguments
  private let modelPath: String
  private let calibrationPath: String
  private let options: StudyOptions
  /// Where the report goes; a part started by mpirun has its place in the name.
  private let output: String?

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let models = arguments.all("MODEL")
    guard models.count == 1 else { throw UsageError(command: "ablate", "one model at a time; to join reports, use --merge") }
    modelPath = models[0]
    guard let calibration = arguments.string("calibration") else {
      throw UsageError(command: "ablate", "--calibration FILE is missing: the prompts to measure on")
    }
    calibrationPath = calibration
    if arguments.has("one-shot"), !arguments.has("suggest-drop") {
      throw UsageError(command: "ablate", "--one-shot goes with --suggest-drop K")
    }
    if arguments.has("resume"), !arguments.has("output") {
      throw UsageError(command: "ablate", "--resume needs -o: the journal lies beside the report")
    }

    var options = StudyOptions()
    options.sublayers = arguments.has("sublayers")
    options.heads = arguments.indices("head-layers").map { .layers(Set($0)) } ?? (arguments.has("heads") ? .all : .none)
    options.keyHeads = arguments.has("kv-groups")
    options.neurons = arguments.has("neurons")
    options.proxies = arguments.has("proxies")
    options.replacement = arguments.string("ablation").flatMap(Replacement.init) ?? .zero
    options.suggestDrop = arguments.int("suggest-drop") ?? 0
    options.oneShot = arguments.has("one-shot")
    options.safeSet = true
    let shard = try arguments.string("shard").map(ShardArgument.init)
    options.shard = shard?.shard
    self.options = options
    output = arguments.string("output").map { shard?.path(for: $0) ?? $0 }
  }

  func run() throws {
    Interrupt.catchSignals()
    try checkOutputs(arguments, report: output, inputs: [modelPath, calibrationPath])
    try place?.refuseStale()
    let source = try Models.open(modelPath)
    try check(source)
    let calibration = try Models.calibration(at: calibrationPath, for: source, arguments)
    try source.checkFinite()
    let backend = try openBackend(arguments, for: source)
    let model = try Llama(source, on: backend)

    let budget = arguments.int("memory") ?? StudyPlan.budget(on: backend)
    let components = source.config.layers.indices.reduce(0) { $0 + options.components(of: $1, source.config).count }
    let freshPlan = StudyPlan(
      lengths: calibration.prompts.map(\.count), config: source.config, components: components, budget: budget, on: backend)
    let fingerprint = source.fingerprint()
    let journal = try openJournal(fingerprint, calibration, backend, freshPlan)
    let study = AblationStudy(model, prompts: calibration.prompts, options: options, plan: journal?.plan ?? freshPlan)

    let start = ContinuousClock.now
    let progress = Progress("ablating", total: study.totalFlops, unit: .operations, quiet: arguments.has("quiet"))
    let saved = place?.saved
    var left = study.totalFlops
    func advance(_ piece: StudyProgress) throws {
      if let note = piece.note {
        progress.note("hoof: \(note)")
        return
      }
      left -= piece.flops
      if piece.isKnown { progress.skip(piece.flops) } else { progress.advance(by: piece.flops, label: piece.activity) }
      try Interrupt.check(saved: saved)
    }
    let result: AblationStudy.Result
    do {
      result = try study.run(journal: journal, monitor: advance)
    } catch let error as BackendError {
      // The device is lost to this process, not to the next one.
      throw CommandError("\(error)", advice: saved)
    }
    // What the greedy search was thought to cost and did not.
    progress.skip(max(0, left))
    progress.finish()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard result.baseline.crossEntropy.isFinite else {
      journal?.remove()
      throw CommandError(
        "the model's own loss is not a number", at: modelPath, advice: "its weights overflow: check the file it was made from")
    }
    noteSpeed(result, study, seconds)

    let report = AblationReport(
      result, of: study, subject: .init(path: modelPath, fingerprint: fingerprint, origin: source.origin, config: source.config),
      calibration: .init(path: calibration.path, sha256: calibration.sha256, maxTokens: calibration.maxTokens), backend: backend.name,
      seconds: seconds)
    var object = report.json.object!
    if let profile = (backend as? ProfilingBackend)?.profile() {
      Output.note(profile.table)
      object["profile"] = profile.json
    }
    try write(.object(object), arguments, to: output)
    journal?.remove()
  }

  private var place: JournalPlace? { output.map { JournalPlace(beside: $0, arguments) } }

  private func check(_ source: ModelSource) throws {
    let count = source.config.layers.count
    if let beyond = arguments.indices("head-layers")?.first(where: { $0 >= count }) {
      throw UsageError(command: "ablate", "--head-layers: there is no layer \(beyond); \(modelPath) has layers 0 to \(count - 1)")
    }
    if options.suggestDrop >= count {
      throw UsageError(
        command: "ablate", "--suggest-drop \(options.suggestDrop): \(modelPath) has only \(count) layers, and one has to stay")
    }
  }

  private func openJournal(
    _ fingerprint: String, _ calibration: Calibration, _ backend: any ComputeBackend, _ plan: StudyPlan
  ) throws -> StudyJournal? {
    let shard = options.shard.map { "\($0.index)/\($0.count)" } ?? "whole"
    return try place?.open(
      [fingerprint, calibration.sha256, "\(calibration.maxTokens)", "\(arguments.has("no-bos"))", options.identity, shard], on: backend,
      arguments, plan)
  }

  private func noteSpeed(_ result: AblationStudy.Result, _ study: AblationStudy, _ seconds: Double) {
    guard !arguments.has("quiet") else { return }
    let rate = LargeCount(result.flops / seconds)
    Output.note(
      "hoof: \(result.outcomes.count) ablations of \(study.prompts.count) prompts in \(TimeSpan(seconds)), "
        + "\(LargeCount(result.flops))FLOP necessary, \(rate)FLOP/s")
  }
}
