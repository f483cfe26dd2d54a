import BackendCPU
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// All ten steps of PyTorch's fine-tuning runs (reference/README.md, sft.json): float32, the same batch of 8 examples each time.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct OptimizerReferenceTests {
  /// What a faithful float32 program reaches, says the reference.
  static let limit = 1e-4

  @Test(
    "ten steps of AdamW have PyTorch's losses, gradient norms and change of weights", arguments: ReferenceRun.models,
    ["answer_tokens_only", "all_tokens"])
  func steps(model name: String, run: String) throws {
    let expected = try ReferenceRun(name, run)
    let model = try openShared(name, on: Widened(OwnMemory(CPUBackend())))
    let before = try model.parameters.map { try $0.tensor.floats() }
    let gradients = Gradients(of: model.parameters.map(\.tensor))
    let optimizer = try Optimizer(
      model.parameters.map { TrainedParameter(name: $0.name, tensor: $0.tensor) }, options: .init(beta1: 0.9, beta2: 0.95, epsilon: 1e-8))
    #expect(expected.losses.count == 11 && expected.stepNorms.count == 10)
    for (index, norm) in expected.stepNorms.enumerated() {
      gradients.clear()
      let loss = try expected.batch.differentiate(model, into: gradients) / Double(expected.batch.scored)
      #expect(abs(loss / expected.losses[index] - 1) < Self.limit, "step \(index + 1): loss \(loss), PyTorch \(expected.losses[index])")
      let norms = try gradients.norms()
      let found = try gradients.norm()
      #expect(abs(found / norm - 1) < Self.limit, "step \(index + 1): gradient norm \(found), PyTorch \(norm)")
      if index == 0 {
        for (parameter, norm) in zip(model.parameters, norms) {
          let reference = try #require(expected.gradientNorms[parameter.name])
          #expect(abs(norm / reference - 1) < Self.limit, "\(parameter.name): \(norm), PyTorch \(reference)")
        }
      }
      optimizer.step(gradients, rate: 1e-4, step: index + 1, seed: 0)
    }
    let loss = try expected.batch.differentiate(model, into: Gradients(of: [])) / Double(expected.batch.scored)
    #expect(abs(loss / expected.losses[10] - 1) < Self.limit, "after ten steps: loss \(loss), PyTorch \(expected.losses[10])")
    let change = try zip(model.parameters, before).reduce(0.0) { sum, pair in
      try zip(pair.0.tensor.floats(), pair.1).reduce(sum) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }.squareRoot()
    #expect(abs(change / expected.weightChange - 1) < Self.limit, "weights moved by \(change), PyTorch's by \(expected.weightChange)")
  }
}
