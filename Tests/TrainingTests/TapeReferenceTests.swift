import BackendCPU
import TensorCore
import TestSupport
import Testing
import Training
import Transformer

/// The first step of PyTorch's fine-tuning runs (reference/README.md, sft.json): float32, one batch of 8 examples.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct TapeReferenceTests {
  /// What a faithful float32 program reaches, says the reference.
  static let limit = 1e-4

  @Test(
    "loss, gradient norm and every tensor's gradient norm equal PyTorch's", arguments: ReferenceRun.models,
    ["answer_tokens_only", "all_tokens"])
  func norms(model name: String, run: String) throws {
    let expected = try ReferenceRun(name, run)
    let model = try openShared(name, on: CPUBackend())
    let gradients = Gradients(of: model.parameters.map(\.tensor))
    let loss = try expected.batch.differentiate(model, into: gradients) / Double(expected.batch.scored)
    #expect(abs(loss / expected.loss - 1) < Self.limit)
    #expect(abs(try gradients.norm() / expected.gradientNorm - 1) < Self.limit)
    #expect(expected.gradientNorms.count == model.parameters.count)
    for parameter in model.parameters {
      let gradient = try #require(gradients[parameter.tensor])
      let norm = try gradient.floats().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let reference = try #require(expected.gradientNorms[parameter.name])
      #expect(abs(norm / reference - 1) < Self.limit, "\(parameter.name): \(norm), PyTorch \(reference)")
    }
  }

  @Test("bf16 activations turn the gradient by what rounding can", arguments: ReferenceRun.models)
  func rounded(name: String) throws {
    let batch = try ReferenceRun(name, "answer_tokens_only").batch
    let (full, rounded) = (
      try openShared(name, on: NarrowWeights(CPUBackend())), try openShared(name, on: MixedPrecisionBackend(CPUBackend()))
    )
    let (expected, found) = (Gradients(of: full.parameters.map(\.tensor)), Gradients(of: rounded.parameters.map(\.tensor)))
    let loss = try batch.differentiate(full, into: expected)
    // One rounding is off by 2⁻⁹/√3 in the mean square, 0.11 %. A gradient has passed a dozen roundings per layer, forth and back, that mostly
    // cancel over the rows of a batch: measured 0.1 % of the whole norm. Gradients of queries and keys go through the soft-max, as differences
    // that are smaller than their terms: 5.1 % for one of stories260K with its 8 columns a head, 1.7 % and 0.6 % in the larger models.
    #expect(abs(try batch.differentiate(rounded, into: found) / loss - 1) < 2e-3)
    var worst = ("", 0.0)
    for (a, b) in zip(full.parameters, rounded.parameters) {
      let error = try difference(found[b.tensor], expected[a.tensor])
      if error > worst.1 { worst = (a.name, error) }
    }
    #expect(worst.1 < 0.1, "\(worst)")
    #expect(abs(try found.norm() / expected.norm() - 1) < 5e-3)
  }
}

/// ‖a - b‖ / ‖b‖
func difference(_ a: Tensor?, _ b: Tensor?) throws -> Double {
  guard let a, let b else { return a == nil && b == nil ? 0 : .infinity }
  let (x, y) = (try a.floats(), try b.floats())
  let (squares, size) = zip(x, y).reduce((0.0, 0.0)) { sum, pair in
    let (x, y) = (Double(pair.0), Double(pair.1))
    return (sum.0 + (x - y) * (x - y), sum.1 + y * y)
  }
  return (squares / max(size, 1e-30)).squareRoot()
}

/// Keeps weights in bf16 and everything else in f32: the model a GPU in bf16 precision has, computed exactly.
final class NarrowWeights: BackendDecorator {
  let base: any ComputeBackend
  init(_ base: any ComputeBackend) { self.base = base }
  func weights(storedAs dtype: DType) -> DType { dtype == .f32 || dtype == .f16 ? .bf16 : dtype }
}
