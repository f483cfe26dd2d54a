import BackendCPU
import Formats
import JSON
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// The trainer's own promises, on a made-up model of three layers.
struct TrainerTests {
  let folder: TemporaryFolder
  let source: ModelSource

  init() throws {
    folder = try TemporaryFolder()
    try RandomModel.write(config: RandomModel.tiny, dtype: .bf16, seed: 3, to: folder.file("model"))
    source = try ModelSource.open(path: folder.file("model"))
  }

  /// Twelve sequences, of which all but the first third is scored.
  static let examples = (0..<12).map { index in
    let ids = (0..<6 + index).map { Int32(($0 * 7 + index * 31) % 250) }
    return TrainingExample(ids: [256] + ids, isScored: (0...ids.count).map { $0 > ids.count / 3 }, place: "example \(index)")
  }

  static func plan(batch: Int = 4, accumulation: Int = 1, steps: Int = 8) -> TrainingPlan {
    TrainingPlan(
      schedule: Schedule(.cosine, peak: 1e-3, warmUp: 1, steps: steps), optimizer: .init(decay: 0.1), clip: 1, batch: .examples(batch),
      accumulation: accumulation, seed: 5)
  }

  private func trainer(
    _ plan: TrainingPlan = plan(), memory: StepMemory = StepMemory(checkpointsActivations: false, rowsPerChunk: 7),
    frozen: Set<String> = [],
    on backend: any ComputeBackend = CPUBackend()
  ) throws -> Trainer {
    let trainee = try Trainee(ModelImport(source), training: Set(source.tensors.keys).subtracting(frozen), on: backend)
    return try Trainer(trainee, on: Self.examples, plan, memory: memory)
  }

  private func run(_ trainer: Trainer, steps: Int) throws -> [Double] { try (0..<steps).map { _ in try trainer.step().loss } }

  private func weights(_ trainer: Trainer) throws -> [[UInt8]] { try trainer.trainee.trained.map { try $0.value.bytes() } }

  @Test("accumulated batches are one large batch, and so are the passes that memory makes of a batch")
  func accumulation() throws {
    let (whole, parts) = (try trainer(Self.plan(batch: 6)), try trainer(Self.plan(batch: 2, accumulation: 3)))
    let passes = try trainer(
      Self.plan(batch: 6), memory: StepMemory(checkpointsActivations: false, rowsPerPass: 20, rowsPerChunk: 7))
    let (a, b, c) = (try run(whole, steps: 4), try run(parts, steps: 4), try run(passes, steps: 4))
    // Sums in another order: of float32 values over some hundred rows.
    for (x, y) in zip(a + a, b + c) { #expect(abs(x / y - 1) < 1e-5) }
    for other in [parts, passes] {
      for (x, y) in zip(whole.trainee.trained, other.trainee.trained) { #expect(try difference(x.value, y.value) < 1e-4, "\(x.name)") }
    }
  }

  @Test("recomputed layers give the very same bits")
  func checkpointed() throws {
    let (plain, again) = (
      try trainer(), try trainer(memory: StepMemory(checkpointsActivations: true, rowsPerChunk: 7))
    )
    #expect(try run(plain, steps: 3) == run(again, steps: 3))
    #expect(try weights(plain) == weights(again))
  }

  @Test("what is frozen keeps its bytes, in the written file too, and what is trained does not")
  func frozen() throws {
    let kept = Set(source.tensors.keys.filter { $0.contains("layers.1.") || $0.contains("embed") })
    let trainer = try trainer(frozen: kept)
    _ = try run(trainer, steps: 3)
    let path = folder.file("out.hoof")
    try ModelImport(source, retrained: .init(rows: trainer.trainee.rows, history: ["method": "finetune"])).write(to: path, threads: 2)
    let written = try ModelSource.open(path: path)
    #expect(written.history == [["method": "finetune"]] && written.origin == nil)
    for (name, tensor) in source.tensors {
      let after = try #require(written.tensors[name])
      // Norms are f32 in a file of ours, whatever they were.
      guard after.dtype == tensor.dtype else { continue }
      #expect(after.bytes.elementsEqual(tensor.bytes) == kept.contains(name), "\(name)")
    }
  }

  @Test("a bf16 device trains masters, whose rounded copies it computes with", arguments: [true, false])
  func masters(hasMasters: Bool) throws {
    let backend = MixedPrecisionBackend(CPUBackend())
    let trainee = try Trainee(ModelImport(source), training: Set(source.tensors.keys), masters: hasMasters, on: backend)
    #expect(trainee.trained.allSatisfy { ($0.tensor.dtype == .bf16 && hasMasters) == ($0.master != nil) })
    guard hasMasters else { return }
    let trainer = try Trainer(trainee, on: Self.examples, Self.plan(), memory: StepMemory(checkpointsActivations: false))
    let losses = try run(trainer, steps: 4)
    let exact = try run(self.trainer(), steps: 4)
    // What rounding activations does to a loss: 0.1 % and less in the reference's models.
    for (x, y) in zip(losses, exact) { #expect(abs(x / y - 1) < 5e-3, "\(losses), exact \(exact)") }
    for parameter in trainee.trained {
      guard let master = parameter.master else { continue }
      #expect(try master.copied(as: .bf16).bytes() == parameter.tensor.bytes(), "\(parameter.name)")
    }
  }

  @Test("a run that goes on from its checkpoint ends with the very same bits, best state included")
  func resume() throws {
    let run: JSON.Object = ["data": "some", "lr": 0.001]
    let heldOut = HeldOut(Array(Self.examples.prefix(3)), rowsPerPass: 30)
    let whole = try trainer()
    let path = folder.file("run.checkpoint")
    for step in 1...8 {
      _ = try whole.step()
      if step % 2 == 0 { _ = try whole.measure(heldOut, keepsBest: true) }
      if step == 5 { try whole.save(to: path, run: run) }
    }
    let checkpoint = try TrainingCheckpoint(path: path)
    #expect(checkpoint.progress.step == 5)
    let second = try trainer(memory: checkpoint.memory)
    try second.resume(checkpoint, run: run)
    while !second.isDone {
      _ = try second.step()
      if second.progress.step % 2 == 0 { _ = try second.measure(heldOut, keepsBest: true) }
    }
    #expect(second.progress == whole.progress && second.best?.step == whole.best?.step)
    #expect(try weights(second) == weights(whole))
    try second.restoreBest()
    try whole.restoreBest()
    #expect(try weights(second) == weights(whole))

    let other = try trainer()
    #expect(throws: FormatError.self) { try other.resume(checkpoint, run: ["data": "some", "lr": 0.002]) }
    #expect(other.progress.step == 0)
    #expect(checkpoint.difference(from: ["data": "other", "lr": 0.001]) == "its data was some, and is other now")
    #expect(checkpoint.difference(from: run) == nil)
    let fewer = try trainer(frozen: [TensorName.embedding])
    try fewer.save(to: folder.file("other.checkpoint"), run: run)
    #expect(throws: FormatError.self) { try other.resume(TrainingCheckpoint(path: folder.file("other.checkpoint")), run: run) }
  }

  @Test("a loss that is no number stops the run before it reaches the weights")
  func diverged() throws {
    var plan = Self.plan()
    plan.schedule = Schedule(.constant, peak: 1e15, steps: 8)
    let trainer = try trainer(plan)
    var good: [[UInt8]] = []
    do {
      for _ in 0..<8 {
        good = try weights(trainer)
        _ = try trainer.step()
      }
      Issue.record("nothing diverged")
    } catch let error as TrainingError {
      guard case .diverged(let step, _, _) = error else { throw error }
      #expect(trainer.progress.step == step - 1)
      #expect(try weights(trainer) == good)
      #expect("\(error)".contains("diverged at step \(step)") && !"\(error)".contains("\n"))
    }
  }

  @Test("a batch that finds no memory is made again in smaller pieces")
  func outOfMemory() throws {
    let small = LimitedMemory(CPUBackend())
    let frozen: Set = [TensorName.embedding]
    var notes: [String] = []
    let trainee = try Trainee(ModelImport(source), training: Set(source.tensors.keys).subtracting(frozen), on: small)
    let trainer = try Trainer(
      trainee, on: Self.examples, Self.plan(batch: 12),
      memory: StepMemory(checkpointsActivations: false, mayCheckpoint: true, rowsPerChunk: 256)
    ) { notes.append($0) }
    // The neurons of a whole batch, 138 rows of 128 floats, do not fit; the gradient of a matrix, 33 KB, does.
    small.refuse(from: 50_000)
    let loss = try trainer.step().loss
    #expect(trainer.memory.checkpointsActivations && trainer.memory.rowsPerPass < 138 && notes.count >= 2, "\(notes)")
    let expected = try self.trainer(Self.plan(batch: 12), frozen: frozen).step().loss
    #expect(abs(loss / expected - 1) < 1e-5)
    small.refuse(from: 100)
    #expect(throws: BackendError.self) { try trainer.step() }
  }
}

/// Refuses large requests, as a device does whose memory is full.
private final class LimitedMemory: BackendDecorator {
  let base: any ComputeBackend
  private nonisolated(unsafe) var limit = Int.max

  init(_ base: any ComputeBackend) { self.base = base }

  func refuse(from byteCount: Int) { limit = byteCount }

  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    if byteCount >= limit { throw .outOfMemory(requested: byteCount, free: 0) }
    return try base.allocate(byteCount: byteCount)
  }
}
