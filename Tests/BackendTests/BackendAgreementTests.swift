import TensorCore
import TensorTesting
import Testing

/// Every case of the catalogue on every backend, against the reference. One queue per backend, so one case at a time.
@Suite(.serialized) struct BackendAgreementTests {
  static let backends = BackendsUnderTest.all

  @Test("agrees with the reference and writes nothing but its outputs", arguments: OpCatalogue.agreement)
  func agreement(_ item: OpCase) throws {
    let expected = try item.run(on: ReferenceBackend(), seed: 1)
    for backend in Self.backends {
      let comparison = OpComparison(try item.run(on: backend, seed: 1), with: expected, item.tolerance)
      for complaint in comparison.complaints { Issue.record("\(backend.name): \(complaint)") }
    }
  }
}
