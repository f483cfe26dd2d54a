import Evaluation
import Formats
import Glibc
import JSON
import Surgery
import TensorCore
import Terminal
import Tokenization
import Training
import Transformer

/// `hoof finetune`: reads, trains, writes.
struct FinetuneRun {
  private let arguments: Arguments
  private let options: FinetuneOptions
  private let isQuiet: Bool

  init(_ arguments: Arguments) throws(UsageError) {
    self.arguments = arguments
    isQuiet = arguments.has("quiet")
    try FinetuneSubject.check(arguments)
    try AdapterRequest.check(arguments)
    options = try FinetuneOptions(arguments)
    if !arguments.has("data") { throw FinetuneOptions.refuse("--data FILE is missing: the examples to train on") }
    if !arguments.has("output"), !arguments.has("dry-run") { throw FinetuneOptions.refuse("-o is missing: -o OUT.hoof") }
  }

  func run() throws {
    let output = arguments.has("dry-run") ? nil : arguments.string("output").map { FinetuneOutput($0, arguments) }
    var checkpoint: TrainingCheckpoint?
    if let output {
      let inputs = FinetuneSubject.paths(arguments) + [arguments.string("data"), arguments.string("eval-data")].compactMap(\.self)
      let pages = arguments.has("resume") ? [] : [arguments.string("log"), arguments.string("html")].compactMap(\.self)
      try output.check(beside: pages, inputs: inputs, force: arguments.has("force"))
      if arguments.has("resume") {
        checkpoint = try CheckpointPlace.open(beside: output.path)
        if checkpoint == nil, arguments.has("finish") {
          throw CommandError("there is no checkpoint to finish", at: CheckpointPlace.path(beside: output.path))
        }
        if checkpoint == nil { note("there is no \(CheckpointPlace.path(beside: output.path)) to go on from; this is a new run") }
      } else {
        try CheckpointPlace.refuseStale(beside: output.path)
      }
    }
    let subject = try FinetuneSubject(arguments)
    let source = subject.source
    let data = try FinetuneData(source, options, arguments)
    for line in data.notes { note(line) }
    let request = try AdapterRequest(arguments, for: source)
    let kind: TrainingKind = subject.isNew ? .scratch : request == nil ? .full : .adapter
    let names = try trainedNames(of: source)
    let plan = try options.plan(kind, examples: data.examples)
    if let warning = kind.warning(rate: plan.schedule.peak) { note(warning) }

    func cost(on backend: any ComputeBackend) -> TrainingCost {
      if let request {
        let frozen = ModelFit(source, on: backend).weights
        return TrainingCost(source.config, adapter: request.options, frozen: frozen, optimizer: plan.optimizer.kind, on: backend)
      }
      return TrainingCost(
        source.config, training: names, frozen: ModelFit(source, on: backend, without: names).weights,
        hasMasters: !arguments.has("no-master"), optimizer: plan.optimizer.kind, on: backend)
    }
    let backend = try openBackend(arguments, for: source) { cost(on: $0).state }
    let rows = data.rowsOfLargestBatch(plan)
    let free = backend.memory().free - cost(on: backend).state
    let budget = arguments.int("memory") ?? max(64 << 20, backend.usefulRows == nil ? min(4 << 30, free / 2) : free * 7 / 8)
    let memory =
      checkpoint?.memory
      ?? StepMemory(source.config, checkpoints: options.checkpointsActivations, rows: rows, budget: budget, on: backend)
    guard let output else {
      return try FinetunePreview(source, data, plan, memory, cost(on: backend), rows: rows, backend: backend).print(arguments)
    }

    let trainee: Trainee
    if let request {
      let model = try Llama(subject.plan, on: backend)
      trainee = Trainee(model, adapter: try request.adapter(for: model, seed: plan.seed))
    } else {
      trainee = try Trainee(subject.plan, training: names, masters: !arguments.has("no-master"), on: backend)
    }
    let trainer = try Trainer(trainee, on: data.examples, plan, memory: memory) { note($0) }
    let place = CheckpointPlace(
      path: CheckpointPlace.path(beside: output.path), run: identity(subject, data, names, request, plan, on: backend))
    if let checkpoint {
      try trainer.resume(checkpoint, run: place.run)
      note("going on behind step \(trainer.progress.step) of \(plan.steps)")
    }
    let log = try TrainingLog(
      path: arguments.string("log") ?? output.logPath, goingOnFrom: checkpoint.map(\.progress.step))
    let heldOut = data.heldOut.isEmpty ? nil : HeldOut(data.heldOut, rowsPerPass: backend.usefulRows ?? 1024)
    let loop = FinetuneLoop(
      trainer, kind, heldOut: heldOut, place: place, log: log, tokensPerStep: data.tokensPerStep(plan), options, arguments)
    func writePage() throws(CommandError) {
      guard let path = arguments.string("html") else { return }
      try FinetunePage(source.path, data, trainer, trained: trainee.trainedCount, log).write(to: path)
    }
    if !arguments.has("finish") {
      do { try loop.run() } catch {
        try? writePage()
        throw error
      }
    }

    if arguments.has("keep-best") { try trainer.restoreBest() }
    let result = FinetuneResult(subject, data, trainer, request, loop.speed, output: output, log: log)
    do { try result.write(arguments) } catch {
      // The work is not to be lost because a disk is full.
      try? trainer.save(to: place.path, run: place.run)
      throw error
    }
    place.remove()
    try writePage()
    try result.print(arguments)
  }

  private func note(_ text: String) {
    if !isQuiet { Output.note("hoof: \(text)") }
  }

  private func trainedNames(of source: ModelSource) throws -> Set<String> {
    Set(source.config.tensorShapes.map(\.name))
  }

  /// Whatever determines the run's numbers.
  private func identity(
    _ subject: FinetuneSubject, _ data: FinetuneData, _ names: Set<String>, _ request: AdapterRequest?, _ plan: TrainingPlan,
    on backend: any ComputeBackend
  ) -> JSON.Object {
    var run: JSON.Object = ["model": .string(subject.identity)]
    for (name, value) in data.identity.members { run[name] = value }
    for (name, value) in plan.json.members { run[name] = value }
    run["trained tensors"] = .string(request?.identity ?? SHA256.hex(of: Array(names.sorted().joined(separator: "\n").utf8)))
    run["eval-every"] = arguments.int("eval-every").map { .int($0) } ?? nil
    run["keep-best"] = .bool(arguments.has("keep-best"))
    run["masters"] = .bool(!arguments.has("no-master"))
    run["backend"] = .string(String(backend.name.prefix { $0.isLetter }))
    run["precision"] = .string(arguments.string("precision") == "tf32" ? "tf32" : backend.activations.name)
    return run
  }
}
