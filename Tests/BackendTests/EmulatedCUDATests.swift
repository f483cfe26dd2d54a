import BackendCUDA
import TensorCore
import TensorTesting
import TestSupport
import Testing

/// Every case of the catalogue on the CUDA kernels, run by the emulator: bounds and races are checked, streams run late. Two devices, so that
/// each kernel meets both orders of lanes; aligned tensors take the vector paths and Hopper's copy engine, the others the plain ones.
@Suite(.enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)")) struct EmulatedCUDATests {
  /// A device, and where its tensors lie.
  struct Setting: Sendable, CustomTestStringConvertible {
    let precision: Precision, capability: Int, isReversed: Bool, isAligned: Bool
    var testDescription: String {
      "\(precision.rawValue) sm_\(capability)\(isReversed ? ", last lane first" : "")\(isAligned ? ", aligned" : "")"
    }
    func open() throws -> CUDABackend {
      try BackendsUnderTest.emulated(precision, capability: capability, reversed: isReversed)
    }
  }

  static let exact = [
    Setting(precision: .f32, capability: 80, isReversed: false, isAligned: true),
    Setting(precision: .f32, capability: 90, isReversed: true, isAligned: false),
  ]
  static let brain = [
    Setting(precision: .bf16, capability: 80, isReversed: false, isAligned: false),
    Setting(precision: .bf16, capability: 80, isReversed: true, isAligned: true),
    Setting(precision: .bf16, capability: 90, isReversed: false, isAligned: true),
    Setting(precision: .bf16, capability: 90, isReversed: true, isAligned: true),
  ]

  @Test("f32 kernels agree with the reference", arguments: exact)
  func agreement(_ setting: Setting) throws {
    try compare(OpCatalogue.agreement, on: setting, with: ReferenceBackend())
  }

  @Test("bf16 kernels agree with the reference", arguments: brain)
  func mixed(_ setting: Setting) throws {
    try compare(OpCatalogue.mixed, on: setting, with: ReferenceBackend(activations: .bf16))
  }

  @Test("tf32 products agree with the reference to their ten bits")
  func coarse() throws {
    let products = OpCatalogue.agreement.filter { $0.group == "Matmul" || $0.name.hasPrefix("linear") }
    let setting = Setting(precision: .tf32, capability: 90, isReversed: false, isAligned: true)
    try compare(products, on: setting, with: ReferenceBackend()) {
      Tolerance(max($0.limit, 1e-6), "factors rounded to 10 bits: 2^-11 each", absolute: $0.absolute)
    }
  }

  private func compare(
    _ cases: [OpCase], on setting: Setting, with reference: ReferenceBackend, tolerance: (Tolerance) -> Tolerance = { $0 }
  ) throws {
    let backend = try setting.open()
    for item in cases where item.suitsEmulator {
      let expected = try item.run(on: reference, seed: 1, aligned: setting.isAligned)
      let result = try item.run(on: backend, seed: 1, aligned: setting.isAligned)
      // Between two logits that are nearly the same, products of rounded factors may choose the other one.
      let nearTie = setting.precision == .tf32 ? "winners: 1 values not equal" : "none"
      let complaints = OpComparison(result, with: expected, tolerance(item.tolerance)).complaints.filter { !$0.hasPrefix(nearTie) }
      for complaint in complaints { Issue.record("\(item): \(complaint)") }
    }
  }
}
