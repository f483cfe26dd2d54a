import BackendCPU
import JSON
import TensorCore
import TensorTesting
import TestSupport
import Testing
import Transformer

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct LogitTests {
  @Test("last logits, losses and arg-max equal transformers'", arguments: ReferenceModels.names + ["stories260K-bf16-sharded"])
  func logits(name: String) throws {
    let model = try ReferenceModels.open(name, on: CPUBackend())
    for row in try SharedData.json("reference/\(name)/logits.json")["rows"]?.array ?? [] {
      let ids = ReferenceModels.ids(row["ids"])
      let values = try model.logits([ids])[0].floats()
      let vocabulary = model.config.vocabularySize
      let last = values.suffix(vocabulary).map(Double.init)
      let expected = ReferenceModels.numbers(row["last_logits"])
      #expect(zip(last, expected).allSatisfy { abs($0 - $1) < 1e-3 } && expected.count == vocabulary)
      #expect(last.indices.max { (last[$0], -$0) < (last[$1], -$1) } == row["last_top10_ids"]?.array?.first?.int)
    }
  }

  @Test("greedy decoding continues as transformers does", arguments: ReferenceModels.names)
  func greedy(name: String) throws {
    let model = try ReferenceModels.open(name, on: CPUBackend())
    for row in try SharedData.json("reference/\(name)/logits.json")["rows"]?.array ?? [] {
      var ids = ReferenceModels.ids(row["ids"])
      let start = ids.count
      for _ in 0..<40 {
        let logits = try model.logits([ids])[0]
        let winner = try Tensor(1, 1, .i32, on: model.backend)
        model.backend.rowArgmax(logits.rows(ids.count - 1..<ids.count), into: winner)
        ids.append(try winner.ints()[0])
      }
      #expect(Array(ids[start...]) == ReferenceModels.ids(row["greedy_40_ids"]))
    }
  }
}
