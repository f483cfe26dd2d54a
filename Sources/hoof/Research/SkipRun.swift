import Evaluation
import Formats
import Surgery
import TensorCore
import Terminal
import Transformer

/// One `hoof research skip`: reads and checks everything, chooses sets, measures, writes the result.
struct SkipRun {
  private let arguments: Arguments
  private let modelPath: String, calibrationPath: String, dataPath: String
  private let options: SkipOptions

  init(_ arguments: Arguments) throws(UsageError) {
    func refuse(_ reason: String) -> UsageError { UsageError(command: "research", reason) }
    self.arguments = arguments
    modelPath = arguments.first("MODEL")!
    guard let calibration = arguments.string("calibration") else {
      throw refuse("--calibration FILE is missing: the texts to choose sets on")
    }
    guard let data = arguments.string("data") else { throw refuse("--data FILE is missing: the held-out texts to measure on") }
    guard let drop = arguments.int("drop") else { throw refuse("--drop K is missing: how many layers every text is left without") }
    (calibrationPath, dataPath) = (calibration, data)
    var options = SkipOptions(drop: drop)
    options.promptTokens = arguments.int("prompt-tokens") ?? options.promptTokens
    options.clusters = arguments.int("clusters") ?? options.clusters
    options.depth = arguments.int("depth") ?? options.depth
    options.pool = arguments.string("sets").flatMap(SkipOptions.Pool.init) ?? options.pool
    options.seed = arguments.int("seed") ?? options.seed
    self.options = options
  }

  func run() throws {
    try checkOutputs(
      [arguments.string("output")].compactMap(\.self), inputs: [modelPath, calibrationPath, dataPath], force: arguments.has("force"))
    let source = try Models.open(modelPath)
    let calibration = try Models.calibration(at: calibrationPath, for: source, arguments)
    let data = try Models.calibration(at: dataPath, for: source, arguments)
    try source.checkFinite()
    let backend = try openBackend(arguments, for: source)
    let model = try Llama(source, on: backend)
    let budget = arguments.int("memory") ?? StudyPlan.budget(on: backend)
    let start = ContinuousClock.now
    do {
      let study = try SkipStudy(
        model, calibration: calibration.prompts, heldOut: data.prompts, options: options, budget: budget)
      note(study)
      let candidates = try progress("choosing sets", study.searchFlops) { try study.candidates(monitor: $0) }
      let result = try progress("measuring", study.measuringFlops(candidates)) { try study.run(candidates, monitor: $0) }
      let subject = SkipResult.Subject(
        path: modelPath, fingerprint: source.fingerprint(), calibration: .init(path: calibration.path, sha256: calibration.sha256),
        data: .init(path: data.path, sha256: data.sha256), maxTokens: data.maxTokens, backend: backend.name,
        seconds: (ContinuousClock.now - start) / .seconds(1))
      let json = result.json(subject).text(pretty: true) + "\n"
      if let path = arguments.string("output") { try AtomicFile.write(json, to: path, force: arguments.has("force")) }
      try Output.write(arguments.has("json") ? json : SkipText(result: result, subject: subject).text)
    } catch let error as SkipError {
      throw CommandError("\(error)", at: SkipRun.place(of: error, in: self))
    } catch let error as BackendError {
      throw CommandError("the study failed: \(error)")
    }
  }

  /// The file that an error is about.
  private static func place(of error: SkipError, in run: SkipRun) -> String {
    switch error {
    case .tooManyLayers, .tooManySets, .notANumber: run.modelPath
    case .tooShort(let role, _, _), .tooFew(let role, _, _, _): role == .calibration ? run.calibrationPath : run.dataPath
    case .notHeldOut: run.dataPath
    }
  }

  /// Work with a bar, which a Ctrl-C ends.
  private func progress<Value>(_ title: String, _ total: Double, _ work: (@escaping SkipStudy.Monitor) throws -> Value) throws -> Value {
    let progress = Progress(title, total: total, unit: .operations, quiet: arguments.has("quiet"))
    var left = total
    let value = try work { piece in
      if let note = piece.note { progress.note("hoof: \(note)") }
      left -= piece.flops
      progress.advance(by: piece.flops, label: piece.activity)
      try Interrupt.check(saved: "nothing was written")
    }
    // What a search was thought to cost and did not.
    progress.skip(max(0, left))
    progress.finish()
    return value
  }

  private func note(_ study: SkipStudy) {
    guard !arguments.has("quiet") else { return }
    let lack = "left out: they end within the first \(options.promptTokens) tokens"
    for (path, count) in [(calibrationPath, study.shortCalibration), (dataPath, study.shortHeldOut)] where count > 0 {
      Output.note("hoof: \(path.onOneLine): \(count) text\(count == 1 ? "" : "s") \(lack)")
    }
    if study.shared > 0 {
      Output.note("hoof: \(dataPath.onOneLine): \(study.shared) of its texts left out: they are calibration texts")
    }
  }
}
