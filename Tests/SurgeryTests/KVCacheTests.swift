import BackendCPU
import TensorCore
import TestSupport
import Testing
import Transformer

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct KVCacheTests {
  /// The rows of the whole pass that `extend` must reproduce.
  private func expected(_ model: Llama, _ sequences: [[Int32]], at places: [Int]) throws -> [Float] {
    try zip(model.logits(sequences), places).flatMap { logits, place in try logits.rows(place..<place + 1).floats() }
  }

  private func expectClose(_ logits: Tensor, _ expected: [Float], _ comment: Comment, location: SourceLocation = #_sourceLocation) throws {
    let values = try logits.floats()
    #expect(values.count == expected.count, comment, sourceLocation: location)
    let worst = zip(values, expected).map { abs($0 - $1) }.max() ?? 0
    #expect(worst < 1e-4, comment, sourceLocation: location)
  }

  @Test("prefill in parts and decoding give the logits of the whole pass", arguments: ReferenceModels.names, [1, 3])
  func sameLogits(name: String, threads: Int) throws {
    let model = try ReferenceModels.open(name, on: CPUBackend(threads: threads))
    let row = try SharedData.json("reference/\(name)/logits.json")["rows"]?.array?.first
    let ids = ReferenceModels.ids(row?["ids"]) + ReferenceModels.ids(row?["greedy_40_ids"])
    let whole = try model.logits([ids])[0]
    var cache = try KVCache(model.config, slots: 1, capacity: ids.count, on: model.backend)
    var at = 0
    for count in [3, 1, 5] + Array(repeating: 1, count: ids.count - 9) {
      let logits = try model.extend(&cache, by: [Array(ids[at..<at + count])])
      at += count
      try expectClose(logits, whole.rows(at - 1..<at).floats(), "after \(at) tokens")
    }
    #expect(cache.lengths == [ids.count])
  }

  @Test("sequences of a batch grow on their own: different lengths, resting slots, taken back tokens")
  func batch() throws {
    let model = try ReferenceModels.open("stories260K", on: CPUBackend(threads: 2))
    let texts: [[Int32]] = [[1, 403, 407, 261], [1, 9, 8, 7, 6, 5, 4], [1, 100]]
    var cache = try KVCache(model.config, slots: 3, capacity: 9, on: model.backend)
    try expectClose(model.extend(&cache, by: texts), expected(model, texts, at: [3, 6, 1]), "prefill")
    let longer = [texts[0] + [44], texts[1], texts[2] + [55]]
    let step = try model.extend(&cache, by: [[44], [], [55]])
    try expectClose(step, expected(model, [longer[0], longer[2]], at: [4, 2]), "one slot rests")
    #expect(cache.lengths == [5, 7, 3])

    cache.truncate(1, to: 2)
    let other: [[Int32]] = [longer[0] + [9, 9, 9, 9], [1, 9, 77], longer[2] + [3, 2]]
    let next = try model.extend(&cache, by: [[9, 9, 9, 9], [77], [3, 2]])
    try expectClose(next, expected(model, other, at: [8, 2, 4]), "taken back, and a full slot")
  }
}
