import TensorCore
import TensorTesting
import Testing

/// Every case of the catalogue on every backend, against the reference. One queue per backend, so one case at a time.
@Suite(.serialized) struct BackendAgreementTests {
  @Test("agrees with the reference and writes nothing but its outputs", arguments: OpCatalogue.agreement)
  func agreement(_ item: OpCase) throws {
    // Whoever takes bf16 activations takes f32 ones as well.
    let mixed = BackendsUnderTest.mixed.filter { $0 is MixedPrecisionBackend }
    try compare(item, on: BackendsUnderTest.all + mixed, with: ReferenceBackend())
  }

  @Test("agrees with the reference on bf16 activations", arguments: OpCatalogue.mixed)
  func mixed(_ item: OpCase) throws {
    let reference = ReferenceBackend(activations: .bf16)
    try compare(item, on: BackendsUnderTest.mixed + [TensorCoreReference()], with: reference)
  }

  private func compare(_ item: OpCase, on backends: [any ComputeBackend], with reference: ReferenceBackend) throws {
    let expected = try item.run(on: reference, seed: 1)
    for backend in backends {
      let comparison = OpComparison(try item.run(on: backend, seed: 1), with: expected, item.tolerance)
      for complaint in comparison.complaints { Issue.record("\(backend.name): \(complaint)") }
    }
  }
}
