import BackendCPU
import Formats
import TensorCore
import TestSupport
import Testing
import Training

/// PyTorch's fine-tuning runs of ten steps (reference/README.md, sft.json), made by the trainer as the command makes them.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct TrainerReferenceTests {
  /// What a faithful float32 program reaches, says the reference.
  static let limit = 1e-4

  static let adamW = Optimizer.Options(beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0)

  @Test(
    "losses and gradient norms of ten steps equal PyTorch's, and how far the weights went", arguments: ["stories260K", "talespin-tiny"],
    ["answer_tokens_only", "all_tokens"])
  func steps(model name: String, run: String) throws {
    let run = try ReferenceSteps(name, run)
    let source = try ModelSource.open(path: SharedData.path("models/\(name)"))
    let trainee = try Trainee(ModelImport(source), training: Set(source.tensors.keys), on: CPUBackend())
    let before = try trainee.trained.map { try $0.value.floats() }
    // Every step sees all eight examples, in another order.
    let plan = TrainingPlan(
      schedule: Schedule(.constant, peak: 1e-4, steps: 11), optimizer: Self.adamW, clip: 0, batch: .examples(run.examples.count))
    let trainer = try Trainer(trainee, on: run.examples, plan, memory: StepMemory(checkpointsActivations: false, rowsPerChunk: 100))
    for step in 0..<10 {
      let report = try trainer.step()
      #expect(abs(report.loss / run.losses[step] - 1) < Self.limit, "step \(step): \(report.loss), PyTorch \(run.losses[step])")
      #expect(
        abs(report.gradientNorm / run.norms[step] - 1) < Self.limit, "step \(step): \(report.gradientNorm), PyTorch \(run.norms[step])")
    }
    var change = 0.0
    for (parameter, old) in zip(trainee.trained, before) {
      for (a, b) in try zip(parameter.value.floats(), old) { change += Double(a - b) * Double(a - b) }
    }
    #expect(abs(change.squareRoot() / run.change - 1) < Self.limit, "\(change.squareRoot()), PyTorch \(run.change)")
    #expect(abs(try trainer.step().loss / run.lossAfter - 1) < Self.limit)
  }
}

/// A run of sft.json as the trainer reads it.
struct ReferenceSteps {
  let examples: [TrainingExample]
  let losses: [Double], norms: [Double]
  let lossAfter: Double, change: Double

  init(_ model: String, _ name: String) throws {
    let runs = try SharedData.json("reference/\(model)/sft.json")["runs"]?.array ?? []
    let run = try #require(runs.first { $0["name"]?.string == name })
    func lists(_ field: String) -> [[Int]] { run[field]?.array?.map { $0.array?.compactMap(\.int) ?? [] } ?? [] }
    examples = zip(lists("input_ids"), lists("labels")).enumerated().map { index, pair in
      TrainingExample(ids: pair.0.map(Int32.init), isScored: [false] + pair.1.dropFirst().map { $0 >= 0 }, place: "example \(index)")
    }
    losses = run["loss_before_each_step"]?.array?.compactMap(\.double) ?? []
    norms = run["grad_norm_before_each_step"]?.array?.compactMap(\.double) ?? []
    lossAfter = run["loss_after_10_steps"]?.double ?? .nan
    change = run["weight_change_l2_after_10_steps"]?.double ?? .nan
  }
}
