import BackendCPU
import Formats
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// PEFT's runs (reference/README.md, lora.json): rank 4 on every projection, float32, ten steps on the answer-only batch of sft.json.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct AdapterReferenceTests {
  /// What a faithful float32 program reaches, says the reference.
  static let limit = 1e-4

  @Test(
    "ten steps from PEFT's own start have its losses, gradient norms and change of weights", arguments: ["stories260K", "talespin-tiny"])
  func steps(name: String) throws {
    let json = try SharedData.json("reference/\(name)/lora.json")
    func numbers(_ key: String) -> [Double] { json[key]?.array?.compactMap(\.double) ?? [] }
    let batch = try ReferenceRun(name, "answer_tokens_only").batch
    let model = try openShared(name, on: Widened(CPUBackend()))
    let file = try AdapterFile.open(SharedData.path("reference/\(name)/lora_init"), for: model.config)
    let adapter = try Adapter(file, for: model)
    let parameters = adapter.parameters
    #expect(adapter.parameterCount == file.parameterCount && parameters.count == 14 * model.layers.count)
    let before = try parameters.map { try $0.value.floats() }
    let gradients = Gradients(of: parameters.map(\.tensor))
    let optimizer = try Optimizer(parameters, options: .init(beta1: 0.9, beta2: 0.95, epsilon: 1e-8))
    let (losses, norms) = (numbers("loss_before_each_step"), numbers("grad_norm_before_each_step"))
    #expect(losses.count == 10 && norms.count == 10)
    for (index, (expected, norm)) in zip(losses, norms).enumerated() {
      gradients.clear()
      let loss = try batch.differentiate(model, into: gradients, adapter: adapter) / Double(batch.scored)
      #expect(abs(loss / expected - 1) < Self.limit, "step \(index + 1): loss \(loss), PEFT \(expected)")
      let found = try gradients.norm()
      #expect(abs(found / norm - 1) < Self.limit, "step \(index + 1): gradient norm \(found), PEFT \(norm)")
      if index == 0 {
        for parameter in parameters {
          let gradient = try #require(gradients[parameter.tensor]).floats()
          let found = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
          let norm = try #require(json["grad_norm_per_tensor_step0"]?[parameter.name]?.double)
          // B is zero, so A's gradients are, exactly.
          #expect(norm == 0 ? found == 0 : abs(found / norm - 1) < Self.limit, "\(parameter.name): \(found), PEFT \(norm)")
        }
      }
      optimizer.step(gradients, rate: 1e-3, step: index + 1, seed: 0)
    }
    let loss = try batch.differentiate(model, into: Gradients(of: []), adapter: adapter) / Double(batch.scored)
    let expected = try #require(json["loss_after_10_steps"]?.double)
    #expect(abs(loss / expected - 1) < Self.limit, "after ten steps: loss \(loss), PEFT \(expected)")
    let change = try zip(parameters, before).reduce(0.0) { sum, pair in
      try zip(pair.0.value.floats(), pair.1).reduce(sum) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    }.squareRoot()
    let expectedChange = try #require(json["weight_change_l2_after_10_steps"]?.double)
    #expect(abs(change / expectedChange - 1) < Self.limit, "weights moved by \(change), PEFT's by \(expectedChange)")
  }
}
