import BackendCPU
import Formats
import Generation
import JSON
import TestSupport
import Testing

/// The engine against what PyTorch wrote.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct EngineReferenceTests {
  private static let models = ["stories260K", "stories260K-bf16-sharded", "talespin-tiny", "talespin-15m"]

  @Test("greedy tokens are PyTorch's, whether prompts are answered one by one or side by side", arguments: models, [1, 3])
  func greedy(name: String, slots: Int) throws {
    let rows = try #require(try SharedData.json("reference/\(name)/logits.json")["rows"]?.array)
    func ids(_ json: JSON?) -> [Int32] { json?.array?.compactMap { $0.int.map(Int32.init) } ?? [] }
    let example = try Example(SharedData.path("models/\(name)"))
    let engine = try example.engine(slots: slots)
    let answers = try rows.map { try engine.start(.init(prompt: ids($0["ids"]), limit: 40)) }
    try engine.drain()
    #expect(!rows.isEmpty && answers.map(\.ids) == rows.map { ids($0["greedy_40_ids"]) })
    #expect(answers.allSatisfy { $0.reason == .length && $0.usage?.answerTokens == 40 })
  }
}
