import BackendCPU
import Formats
import JSON
import Synchronization
import TensorCore
import TestSupport
import Testing
import Tokenization
import Training
import Transformer

/// Texts that models write.
struct AnswerWriterTests {
  private static let prompts: [[Int32]] = [[256, 5, 9], [256], [256, 9, 9, 4, 111, 42, 500, 3, 2, 77, 1], [7, 7], [300, 20, 9, 1]]

  private func small(on backend: any ComputeBackend = CPUBackend(threads: 2)) throws -> SmallModel {
    let small = try SmallModel(on: backend)
    try small.scramble()
    return small
  }

  private func answers(
    _ model: Llama, stops: Set<Int32> = [], limit: Int = 12, sampling: Sampler.Options = .greedy, slots: Int = 2
  ) throws -> [AnswerWriter.Answer] {
    try AnswerWriter(model, stops: stops, sampling: sampling, slots: slots).answers(to: Self.prompts.map { .init($0, limit: limit) })
  }

  @Test(
    "the likeliest ids are PyTorch's, however many prompts are answered side by side",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), arguments: ReferenceRun.models, [1, 3])
  func reference(name: String, slots: Int) throws {
    let rows = try #require(try SharedData.json("reference/\(name)/logits.json")["rows"]?.array)
    func ids(_ json: JSON?) -> [Int32] { json?.array?.compactMap { $0.int.map(Int32.init) } ?? [] }
    let model = try openShared(name, on: CPUBackend(threads: 2))
    let answers = try AnswerWriter(model, stops: [], slots: slots).answers(to: rows.map { .init(ids($0["ids"]), limit: 40) })
    #expect(answers.map(\.ids) == rows.map { ids($0["greedy_40_ids"]) })
    #expect(answers.allSatisfy { !$0.isFinished && $0.ids.count == 40 })
  }

  @Test("an answer ends with a stop id, which is not part of it, or at a limit")
  func ends() throws {
    let model = try small().model
    let whole = try answers(model).map(\.ids)
    #expect(whole.allSatisfy { $0.count == 12 })
    let stop = whole[0][5]
    let stopped = try answers(model, stops: [stop])
    for (answer, ids) in zip(stopped, whole) {
      let end = ids.firstIndex(of: stop)
      #expect(answer.ids == Array(ids[..<(end ?? 12)]) && answer.isFinished == (end != nil))
    }
    let limits = [3, 1, 7, 12, 2]
    let limited = try AnswerWriter(model, stops: [], slots: 2).answers(to: zip(Self.prompts, limits).map { .init($0, limit: $1) })
    #expect(limited.map(\.ids) == zip(whole, limits).map { Array($0.prefix($1)) })
  }

  @Test("what is drawn is the same every time, and another thing with another seed")
  func sampling() throws {
    let model = try small().model
    let sampling = Sampler.Options(temperature: 1.5, topP: 0.9, seed: 3)
    let drawn = try answers(model, sampling: sampling)
    #expect(try answers(model, sampling: sampling) == drawn)
    #expect(try answers(model, sampling: .init(temperature: 1.5, topP: 0.9, seed: 4)) != drawn)
    #expect(try answers(model) != drawn)
  }

  @Test("with too little memory fewer answers are written side by side, and they are the same")
  func memory() throws {
    let backend = Scarce(CPUBackend(threads: 2))
    let model = try small(on: backend).model
    let expected = try answers(model, slots: 4)
    // A cache of four slots of 23 rows: two tensors a layer, of 32 columns in f32.
    backend.largest.withLock { $0 = 4 * 23 * 32 * 4 - 1 }
    #expect(try answers(model, slots: 4) == expected)
    #expect(backend.refusals.withLock { $0 } == 1)
    backend.largest.withLock { $0 = 100 }
    #expect(throws: BackendError.self) { try answers(model, slots: 4) }
  }

  @Test("progress is told after every token, and can stop the writing")
  func progress() throws {
    struct Stop: Error {}
    let model = try small().model
    let writer = AnswerWriter(model, stops: [], slots: 2)
    let prompts = Self.prompts.map { AnswerWriter.Prompt($0, limit: 3) }
    var told: [[Int]] = []
    _ = try writer.answers(to: prompts) { told.append([$0.finished, $0.prompts, $0.tokens]) }
    // Five prompts in two slots: both end together twice, then one is alone.
    #expect(told.map { $0[0] } == [0, 0, 2, 2, 2, 4, 4, 4, 5] && told.map { $0[2] } == [2, 4, 6, 8, 10, 12, 13, 14, 15])
    #expect(throws: Stop.self) { try writer.answers(to: prompts) { if $0.tokens > 7 { throw Stop() } } }
  }
}

/// Refuses large blocks.
private final class Scarce: BackendDecorator {
  let base: any ComputeBackend
  let largest = Mutex(Int.max)
  let refusals = Mutex(0)
  init(_ base: any ComputeBackend) { self.base = base }

  func allocate(byteCount: Int) throws(BackendError) -> DeviceAddress {
    let limit = largest.withLock { $0 }
    guard byteCount <= limit else {
      refusals.withLock { $0 += 1 }
      throw .outOfMemory(requested: byteCount, free: limit)
    }
    return try base.allocate(byteCount: byteCount)
  }
}
