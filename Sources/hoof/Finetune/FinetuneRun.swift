import Evaluation
import Formats
import Glibc
import JSON
import TensorCore
import Terminal
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
    try TeacherRequest.check(arguments)
    options = try FinetuneOptions(arguments)
    if !arguments.has("data") { throw FinetuneOptions.refuse("--data FILE is missing: the examples to train on") }
    if !arguments.has("output"), !arguments.has("dry-run") { throw FinetuneOptions.refuse("-o is missing: -o OUT.hoof") }
  }

  func run() throws {
    let output = arguments.has("dry-run") ? nil : arguments.string("output").map { FinetuneOutput($0, arguments) }
    let checkpoint = try output.flatMap(openCheckpoint)
    let subject = try FinetuneSubject(arguments)
    let source = subject.source
    let target = try FinetuneTarget(arguments, options, for: source)
    let kind = target.kind(isNew: subject.isNew, hasTeacher: arguments.has("teacher"))
    let request = try TeacherRequest(arguments, for: source)
    let backend = try openBackend(arguments, for: source) { backend in
      target.cost(source, optimizer: options.optimizer.kind, on: backend).state
        + (request.map { ModelFit($0.source, on: backend).weights } ?? 0)
    }
    let teacher = output == nil ? nil : try request.map { try Llama($0.source, on: backend) }

    let data = try FinetuneData(source, arguments, beside: output?.path, goesOn: checkpoint != nil) {
      // Without a teacher the model writes its own answers.
      try teacher ?? Llama(subject.plan, on: backend)
    }
    for line in data.notes { note(line) }
    let plan = try options.plan(kind, examples: data.examples)
    if let warning = kind.warning(rate: plan.schedule.peak) { note(warning) }
    let cost = target.cost(source, optimizer: plan.optimizer.kind, on: backend)
    let memory = checkpoint?.memory ?? stepMemory(source, data, plan, cost, on: backend)
    guard let output else {
      let rows = data.rowsOfLargestBatch(plan)
      return try FinetunePreview(source, data, plan, memory, cost, rows: rows, backend: backend).print(arguments)
    }

    let shared = teacher.map { SharedTensors(request!.source, $0) }
    let trainee = try target.load(subject.plan, seed: plan.seed, sharing: shared, on: backend)
    let distillation = try teacher.map { try request!.distillation($0, for: source) }
    let trainer = try Trainer(trainee, on: data.examples, plan, distillation: distillation, memory: memory) { note($0) }
    let place = CheckpointPlace(
      path: CheckpointPlace.path(beside: output.path), run: identity(subject, data, target, request, plan, on: backend))
    if let checkpoint {
      try trainer.resume(checkpoint, run: place.run)
      note("going on behind step \(trainer.progress.step) of \(plan.steps)")
    }
    let log = try TrainingLog(path: arguments.string("log") ?? output.logPath, goingOnFrom: checkpoint.map(\.progress.step))
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
    let result = FinetuneResult(subject, data, trainer, target, request, loop.speed, output: output, log: log)
    do { try result.write(arguments) } catch {
      // The work is not to be lost because a disk is full.
      try? trainer.save(to: place.path, run: place.run)
      if error is Interrupted { throw Interrupted(saved: place.saved(trainer.progress.step)) }
      throw error
    }
    place.remove()
    try writePage()
    try result.print(arguments)
  }

  private func note(_ text: String) {
    if !isQuiet { Output.note("hoof: \(text)") }
  }

  /// Refuses what could not be written in the end, and reads what an earlier run left.
  private func openCheckpoint(_ output: FinetuneOutput) throws -> TrainingCheckpoint? {
    let inputs = FinetuneSubject.paths(arguments) + ["data", "eval-data", "teacher", "adapter"].compactMap { arguments.string($0) }
    let resumes = arguments.has("resume")
    let pages = resumes ? [] : ["log", "html"].compactMap { arguments.string($0) }
    try output.check(beside: pages, inputs: inputs, force: arguments.has("force"))
    guard resumes else {
      try CheckpointPlace.refuseStale(beside: output.path)
      return nil
    }
    let checkpoint = try CheckpointPlace.open(beside: output.path)
    if checkpoint == nil {
      let path = CheckpointPlace.path(beside: output.path)
      if arguments.has("finish") { throw CommandError("there is no checkpoint to finish", at: path) }
      note("there is no \(path) to go on from; this is a new run")
    }
    return checkpoint
  }

  /// What a step may take beside what stays.
  private func stepMemory(
    _ source: ModelSource, _ data: FinetuneData, _ plan: TrainingPlan, _ cost: TrainingCost, on backend: any ComputeBackend
  ) -> StepMemory {
    let free = backend.memory().free - cost.state
    // A machine has other work to do; a device is there for this.
    let budget = arguments.int("memory") ?? max(64 << 20, backend.usefulRows == nil ? min(4 << 30, free / 2) : free / 8 * 7)
    return StepMemory(
      source.config, checkpoints: options.checkpointsActivations, rows: data.rowsOfLargestBatch(plan), budget: budget, on: backend)
  }

  /// Whatever determines the run's numbers.
  private func identity(
    _ subject: FinetuneSubject, _ data: FinetuneData, _ target: FinetuneTarget, _ teacher: TeacherRequest?, _ plan: TrainingPlan,
    on backend: any ComputeBackend
  ) -> JSON.Object {
    var run: JSON.Object = ["model": .string(subject.identity), "trained part": .string(target.identity)]
    for object in [data.identity, teacher?.identity ?? [:], plan.json] {
      for (name, value) in object.members { run[name] = value }
    }
    run["eval-every"] = arguments.int("eval-every").map { .int($0) } ?? nil
    run["keep-best"] = .bool(arguments.has("keep-best"))
    run["backend"] = .string(String(backend.name.prefix { $0.isLetter }))
    run["precision"] = .string(arguments.string("precision") == "tf32" ? "tf32" : backend.activations.name)
    return run
  }
}
