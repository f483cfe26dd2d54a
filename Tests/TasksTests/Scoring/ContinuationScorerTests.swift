import BackendCPU
import Formats
import JSON
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

@testable import Tasks

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct ContinuationScorerTests {
  /// Contexts and continuations with all that can be shared: beginnings, whole contexts, single tokens, nothing.
  private func requests(_ count: Int = 60) -> [ScoringRequest] {
    var random = SplitMix64(seed: 5)
    func tokens(_ count: Int) -> [Int32] { (0..<count).map { _ in Int32(3 + random.next() % 500) } }
    let header = [1] + tokens(40)
    var requests: [ScoringRequest] = []
    for index in 0..<count / 4 {
      let question = (index % 3 == 0 ? [1] : header) + tokens(5 + index)
      for choice in 0..<4 {
        let answer = index % 2 == 0 ? tokens(1) : tokens(2 + 3 * choice)
        requests.append(ScoringRequest(tokens: question + answer, scored: answer.count))
      }
    }
    // One is the beginning of another, one is scored where others only read, and one there is twice.
    requests.append(ScoringRequest(tokens: header, scored: 3))
    requests.append(ScoringRequest(tokens: requests[5].tokens.dropLast(), scored: 1))
    return requests + [requests[7]]
  }

  private func expected(_ model: Llama, _ request: ScoringRequest) throws -> (Double, Bool) {
    let logits = try model.logits([Array(request.input)])[0]
    let losses = try Tensor(logits.rows, 1, on: model.backend)
    let winners = try Tensor(logits.rows, 1, .i32, on: model.backend)
    model.backend.crossEntropy(
      logits: logits, targets: try Tensor(Array(request.tokens.dropFirst()), on: model.backend), scale: 1, into: losses, dLogits: nil)
    model.backend.rowArgmax(logits, into: winners)
    let sum = try losses.floats().suffix(request.scored).reduce(0) { $0 - Double($1) }
    return (sum, try winners.ints().suffix(request.scored) == request.tokens.suffix(request.scored)[...])
  }

  @Test("sharing and batches change nothing: every score is that of the whole pass over its request", arguments: [2048, 150, 1])
  func exact(rowsPerBatch: Int) throws {
    let model = try Llama(ModelSource.open(path: SharedData.path("models/stories260K")), on: CPUBackend(threads: 2))
    let requests = requests()
    var scorer = ContinuationScorer([model], rowsPerBatch: rowsPerBatch)
    var done = 0
    let scores = try scorer.scores(of: requests) { if case .requests(let count) = $0 { done += count } }[0]
    #expect(done == requests.count)
    for (index, request) in requests.enumerated() {
      let (sum, isGreedy) = try expected(model, request)
      // Sums of single precision in another order.
      #expect(abs(scores[index].logLikelihood - sum) < 1e-4 * max(1, abs(sum)), "request \(index)")
      #expect(scores[index].isGreedy == isGreedy, "request \(index)")
    }
  }

  @Test("two models at the same positions: the second's divergence is 0 where they are one, and its scores its own")
  func divergence() throws {
    let model = try Llama(ModelSource.open(path: SharedData.path("models/stories260K")), on: CPUBackend(threads: 2))
    let requests = requests()
    var twins = ContinuationScorer([model, model])
    let same = try twins.scores(of: requests)
    #expect(same[1].allSatisfy { abs($0.divergence) < 1e-6 * Double(max(1, $0.positions)) })
    #expect(same[0].map(\.positions) == same[1].map(\.positions))
    // Each position once, however many requests score it.
    #expect(same[0].last?.positions == 0 || same[0][7].positions == 0)

    let cut = model.without(layers: [2])
    var pair = ContinuationScorer([model, cut], rowsPerBatch: 150)
    let scores = try pair.scores(of: requests)
    for (index, request) in requests.enumerated() where index % 7 == 0 {
      let (sum, isGreedy) = try expected(cut, request)
      #expect(abs(scores[1][index].logLikelihood - sum) < 1e-4 * max(1, abs(sum)) && scores[1][index].isGreedy == isGreedy)
    }
    let (first, second) = (try model.logits([Array(requests[0].input)])[0], try cut.logits([Array(requests[0].input)])[0])
    let rows = try Tensor(first.rows, 1, on: model.backend)
    model.backend.klDivergence(of: first, from: second, scale: 1, into: rows, dQ: nil)
    let last = try Double(rows.floats().last!)
    let found = scores[1].enumerated().filter { requests[$0.offset].input == requests[0].input }.reduce(0) { $0 + $1.element.divergence }
    #expect(abs(found - last) < 1e-4 * last)
  }
}
