import BackendCPU
import Glibc
import TensorCore
import Testing
import Transformer

/// Tokens drawn from logits.
struct SamplerTests {
  /// Probabilities 0.4, 0.3, 0.2, 0.1 in another order, and one that has none.
  private static let logits: [Float] = [0.2, 0.4, 0, 0.1, 0.3].map { $0 == 0 ? -.infinity : Float(logOf: $0) }

  private func candidates(_ options: Sampler.Options, _ logits: [Float] = logits) -> [Int32: Double] {
    Dictionary(uniqueKeysWithValues: Sampler(options).candidates(logits[...]).map { ($0.token, $0.probability) })
  }

  private func expect(_ found: [Int32: Double], _ expected: [Int32: Double], _ comment: Comment? = nil) {
    #expect(found.keys.sorted() == expected.keys.sorted(), comment)
    // Logits are f32: 1e-7 of their value, of which a probability sees as much.
    for (token, probability) in expected { #expect(abs((found[token] ?? 0) - probability) < 1e-6, comment) }
  }

  @Test("temperature, top-k and top-p leave the tokens and the probabilities they should")
  func candidates() {
    expect(candidates(.init(temperature: 1)), [0: 0.2, 1: 0.4, 3: 0.1, 4: 0.3])
    // Squares of the probabilities, and roots.
    expect(candidates(.init(temperature: 0.5)), [0: 4.0 / 30, 1: 16.0 / 30, 3: 1.0 / 30, 4: 9.0 / 30])
    expect(candidates(.init(temperature: 1, topK: 2)), [1: 4.0 / 7, 4: 3.0 / 7])
    expect(candidates(.init(temperature: 1, topK: 9)), [0: 0.2, 1: 0.4, 3: 0.1, 4: 0.3])
    expect(candidates(.init(temperature: 1, topP: 0.39)), [1: 1])
    expect(candidates(.init(temperature: 1, topP: 0.41)), [1: 4.0 / 7, 4: 3.0 / 7])
    expect(candidates(.init(temperature: 1, topP: 0.89)), [0: 2.0 / 9, 1: 4.0 / 9, 4: 3.0 / 9])
    expect(candidates(.init(temperature: 1, topP: 0.91)), [0: 0.2, 1: 0.4, 3: 0.1, 4: 0.3])
    // Top-k first: of 4/7 and 3/7, the first is enough for a half.
    expect(candidates(.init(temperature: 1, topK: 2, topP: 0.5)), [1: 1])
  }

  @Test("min-p counts from the likeliest token's probability, behind temperature and top-p, as transformers does")
  func minP() {
    expect(candidates(.init(temperature: 1, minP: 0.51)), [1: 4.0 / 7, 4: 3.0 / 7])
    expect(candidates(.init(temperature: 1, minP: 0.49)), [0: 2.0 / 9, 1: 4.0 / 9, 4: 3.0 / 9])
    expect(candidates(.init(temperature: 1, minP: 1)), [1: 1])
    // Of squares, 9/16 is enough and 4/16 is not.
    expect(candidates(.init(temperature: 0.5, minP: 0.51)), [1: 16.0 / 25, 4: 9.0 / 25])
    // Before top-p, it would have left the first alone: of 4/7 and 3/7 that is a half.
    expect(candidates(.init(temperature: 1, topP: 0.5, minP: 0.51)), [1: 4.0 / 7, 4: 3.0 / 7])
    expect(candidates(.init(temperature: 1, topP: 0.95, minP: 0.3)), [0: 2.0 / 9, 1: 4.0 / 9, 4: 3.0 / 9])
    expect(candidates(.init(temperature: 1, topK: 3, minP: 0.6)), [1: 4.0 / 7, 4: 3.0 / 7])
  }

  @Test("the repetition penalty divides positive logits and multiplies negative ones")
  func penalty() {
    var row: [Float] = [2, -1, 0, 3, -4]
    Sampler.Options(repetitionPenalty: 2).penalize(&row, seen: [0, 1, 2])
    #expect(row == [1, -2, 0, 3, -4])
  }

  @Test("the likeliest are those of the sorted row, of equal ones the lowest ids", arguments: [0, 1, 3, 40, 2600, 5000, Int.max])
  func likeliest(count: Int) {
    // Many equal values, and some that are no numbers.
    let row = (0..<5000).map { $0 % 97 == 0 ? Float.nan : Float(($0 * 7919) % 1013) }
    let sorted = row.indices.filter { !row[$0].isNaN }.sorted { row[$0] != row[$1] ? row[$0] > row[$1] : $0 < $1 }
    let found = Sampler.likeliest(count, of: row[...])
    #expect(found.map(\.id) == Array(sorted.prefix(count)) && found.allSatisfy { $0.logit == row[$0.id] })
  }

  @Test("equal logits are taken from the lowest id on, and what is no number has no chance")
  func edges() {
    expect(candidates(.init(temperature: 1, topK: 2), [1, 1, 1, 1]), [0: 0.5, 1: 0.5])
    expect(candidates(.init(temperature: 1), [.nan, 1, .nan]), [1: 1])
    expect(candidates(.init(temperature: 1), [1, .infinity, 3]), [1: 1])
    expect(candidates(.init(temperature: 0.01, topP: 0.5), [.nan, .nan]), [0: 1])
    #expect(Sampler(.greedy).token([1, 3, 3, 2], at: .init(stream: 0, index: 0)) == 1)
    // A slice keeps its own indices.
    #expect(Sampler(.init(temperature: 1, topK: 1)).token([9, 9, 0, 5, 1][2...], at: .init(stream: 0, index: 0)) == 1)
  }

  @Test("what is drawn has the probabilities it should, and depends on seed, stream and index alone")
  func draws() {
    let sampler = Sampler(.init(temperature: 1, seed: 9))
    var counts = [Int](repeating: 0, count: 5)
    for stream in 0..<40 {
      for index in 0..<100 { counts[Int(sampler.token(Self.logits[...], at: .init(stream: stream, index: index)))] += 1 }
    }
    // 4000 draws: a standard deviation of 31 at most, and five of them never.
    for (count, expected) in zip(counts, [800, 1600, 0, 400, 1200]) { #expect(abs(count - expected) < 155, "\(counts)") }
    func row(_ seed: UInt64, stream: Int) -> [Int32] {
      let sampler = Sampler(.init(temperature: 1, seed: seed))
      return (0..<50).map { sampler.token(Self.logits[...], at: .init(stream: stream, index: $0)) }
    }
    #expect(row(9, stream: 3) == row(9, stream: 3))
    #expect(row(9, stream: 3) != row(9, stream: 4) && row(9, stream: 3) != row(8, stream: 3))
  }

  @Test("rows of a tensor are drawn as the same logits on the host are", arguments: [0, 0.8])
  func rows(temperature: Double) throws {
    let sampler = Sampler(.init(temperature: temperature, topP: 0.95, seed: 2))
    let rows: [[Float]] = [Self.logits, Self.logits.reversed(), [0, 1, 2, 3, 4]]
    let tensor = try Tensor(rows.flatMap { $0 }, rows: 3, columns: 5, on: CPUBackend())
    for index in 0..<20 {
      let places = [4, 0, 7].map { Sampler.Place(stream: $0, index: index) }
      #expect(try sampler.tokens(tensor, at: places) == zip(rows, places).map { sampler.token($0[...], at: $1) })
    }
  }
}

extension Float {
  fileprivate init(logOf probability: Double) { self = Float(log(probability)) }
}
