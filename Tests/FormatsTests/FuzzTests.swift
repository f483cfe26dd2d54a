import Fuzzing
import Testing
import TestSupport

/// A short run of what benchmarks/fuzz.sh does for longer and with the address sanitizer.
@Suite("Mutated files")
struct FuzzTests {
  @Test("no parser falls over a damaged input; some changes are harmless and most are refused")
  func parsersStand() throws {
    let folder = try TemporaryFolder()
    for target in try FuzzTarget.all(in: folder.path) {
      #expect(target.seeds.allSatisfy { target.accepts($0) }, "\(target.name) refuses its own valid input")
      let accepted = target.run(0..<2000, seed: 7)
      #expect(accepted > 0, "\(target.name): nothing gets past the first check")
      #expect(accepted < 2000, "\(target.name): everything is accepted")
    }
  }
}
