import BackendCPU
import BackendCUDA
import TensorCore
import TensorTesting
import TestSupport
import Testing

/// A run that is resumed has to go on with the same bits: no result may depend on which worker was first, or on the order of lanes.
@Suite struct RepeatedResultTests {
  /// What training runs beyond the forward pass, and sums that could be cut differently.
  static let words = [
    "Backward", "left", "beta", "crossEntropy", "CrossEntropy", "klDivergence", "scatterAddRows", "columnSums", "rowDots", "adamW",
    "dropout",
    "attention", "matmul",
  ]
  static func cases(_ all: [OpCase]) -> [OpCase] { all.filter { item in words.contains { item.name.contains($0) } } }

  static func bits(_ result: OpResult) -> [[UInt32]] { result.outputs.map { $0.values.map(\.bitPattern) } }

  @Test("the CPU's results are the same with other numbers of workers, and each time")
  func workers() throws {
    let (one, three) = (CPUBackend(threads: 1), CPUBackend(threads: 3))
    for item in Self.cases(OpCatalogue.agreement) {
      let expected = Self.bits(try item.run(on: three, seed: 4))
      for _ in 0..<3 { #expect(try Self.bits(item.run(on: three, seed: 4)) == expected, "\(item), again") }
      #expect(try Self.bits(item.run(on: one, seed: 4)) == expected, "\(item), one worker")
    }
  }

  @Test("the CUDA kernels' results do not depend on the order of lanes", .enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)"))
  func lanes() throws {
    for precision in [Precision.f32, .bf16] {
      let devices = try [false, true].map { try BackendsUnderTest.emulated(precision, capability: 80, reversed: $0) }
      for item in Self.cases(precision == .f32 ? OpCatalogue.agreement : OpCatalogue.mixed)
      where item.suitsEmulator && item.flops < 20_000_000 {
        let expected = Self.bits(try item.run(on: devices[0], seed: 4, aligned: true))
        #expect(try Self.bits(item.run(on: devices[1], seed: 4, aligned: true)) == expected, "\(item) \(precision)")
      }
    }
  }
}
