import JSON
import Surgery
import TensorTesting
import TestSupport
import Testing
import Transformer

/// The forward pass on the Double-precision reference backend: wrong here means the model is wrong, not a kernel.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct OracleTests {
  @Test("the reference backend's logits equal transformers'")
  func logits() throws {
    let model = try ReferenceModels.open("stories260K", on: ReferenceBackend())
    for row in try SharedData.json("reference/stories260K/logits.json")["rows"]?.array?.prefix(3) ?? [] {
      let last = try model.logits([ReferenceModels.ids(row["ids"])])[0].floats().suffix(512)
      let expected = ReferenceModels.numbers(row["last_logits"])
      #expect(expected.count == 512 && zip(last, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 })
    }
  }
}
