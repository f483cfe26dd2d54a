import BackendCPU
import Formats
import Generation
import TensorCore
import TestSupport
import Testing
import Tokenization
import Training
import Transformer

/// What distillation is for, on a model small enough for a test: layers went, and what they knew comes back. `benchmarks/recovery.sh` does it with
/// a larger one and texts that nobody has seen.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct DistillationRecoveryTests {
  /// The whole model knows these stories by heart, which a student learns from others only in part: 40 % was measured.
  @Test("a short distillation brings back a third of the cross-entropy that two of eight layers took, on stories it does not see")
  func recovery() throws {
    let folder = try TemporaryFolder()
    let source = try ModelSource.open(path: SharedData.path("models/talespin-tiny"))
    let path = folder.file("cut.hoof")
    try ModelImport(source, cut: .init(keepLayers: [0, 1, 2, 4, 6, 7], method: "test")).write(to: path, threads: 2)
    let cut = try ModelSource.open(path: path)
    let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    let data = try TrainingData(
      path: SharedData.path("data/text/tinystories.jsonl"), tokenizer: tokenizer, config: source.config,
      format: ChatFormat(source, tokenizer), options: .init(maxTokens: 64))
    let (examples, held) = try data.split(.count(40), seed: 1)
    let (backend, heldOut) = (CPUBackend(), HeldOut(held, rowsPerPass: 1024))
    func loss(_ trainee: Trainee) throws -> Double { try heldOut.loss(of: trainee, rowsPerChunk: 256) }

    let whole = try Trainee(ModelImport(source), training: [], on: backend)
    let student = try Trainee(ModelImport(cut), training: Set(cut.config.tensorShapes.map(\.name)), on: backend)
    let (best, worst) = (try loss(whole), try loss(student))
    let steps = 60
    let plan = TrainingPlan(schedule: Schedule(.cosine, peak: 1e-3, warmUp: 3, steps: steps))
    let trainer = try Trainer(
      student, on: examples, plan, distillation: Distillation(Teacher(whole.model)), memory: StepMemory(checkpointsActivations: false))
    while !trainer.isDone { _ = try trainer.step() }
    let recovered = try (worst - loss(student)) / (worst - best)
    #expect(worst - best > 0.2, "the cut cost only \(worst - best) nats")
    #expect(recovered > 1.0 / 3, "\(recovered) of \(worst - best) nats came back")
  }
}
