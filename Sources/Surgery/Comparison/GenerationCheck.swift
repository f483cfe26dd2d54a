import TensorCore
import Transformer

/// What greedy continuations of a few texts say about a model. Perplexity looks at one token at a time behind a true text; a cut that has kept
/// it may still fall into loops or lose the thread when it writes by itself (arXiv 2602.01997).
public struct GenerationCheck: Sendable, Equatable {
  /// Share of places at which the base writes the same token.
  public let agreement: Double
  /// Share of the continuation before the first token that the base does not write, mean over texts.
  public let prefix: Double
  /// Different sequences of three tokens over all such sequences of a continuation, mean over texts (distinct-n of arXiv 1510.03055): 1
  /// where nothing is repeated, near 0 in a loop.
  public let distinct: Double

  /// - Parameters:
  ///   - written: continuations, all of one length.
  ///   - base: the base's of the same texts.
  public init(_ written: [[Int32]], base: [[Int32]]) {
    precondition(!written.isEmpty && written.map(\.count) == base.map(\.count), "generation check: other texts")
    func mean(_ value: ([Int32], [Int32]) -> Double) -> Double {
      zip(written, base).reduce(0) { $0 + value($1.0, $1.1) } / Double(written.count)
    }
    agreement = mean { own, other in Double(zip(own, other).count { $0 == $1 }) / Double(max(1, own.count)) }
    prefix = mean { own, other in Double(zip(own, other).prefix { $0 == $1 }.count) / Double(max(1, own.count)) }
    distinct = mean { own, _ in GenerationCheck.distinct(own) }
  }

  private static func distinct(_ tokens: [Int32]) -> Double {
    guard tokens.count >= 3 else { return 1 }
    let triples = (0..<tokens.count - 2).map { Array(tokens[$0..<$0 + 3]) }
    return Double(Set(triples).count) / Double(triples.count)
  }

  /// How much is written behind how much of how many texts.
  public struct Plan: Sendable, Equatable {
    public var texts = 8
    public var promptTokens = 32
    public var writtenTokens = 48
    public init() {}

    /// Beginnings of sequences spread evenly over `sequences`, of those that are long enough.
    public func prompts(from sequences: [[Int32]]) -> [[Int32]] {
      let long = sequences.filter { $0.count >= promptTokens }
      let count = min(texts, long.count)
      return (0..<count).map { Array(long[$0 * long.count / count].prefix(promptTokens)) }
    }
  }
}

extension Llama {
  /// The tokens that are likeliest one by one behind each prompt, `count` for each; an end of text does not end them, so that all models
  /// write equally much. Lowest id on ties.
  public func continuations(of prompts: [[Int32]], tokens count: Int) throws(BackendError) -> [[Int32]] {
    guard count > 0, !prompts.isEmpty else { return prompts.map { _ in [] } }
    var cache = try KVCache(config, slots: prompts.count, capacity: (prompts.map(\.count).max() ?? 0) + count, on: backend)
    let winners = try Tensor(prompts.count, 1, .i32, on: backend)
    var (next, written) = (prompts, prompts.map { _ in [Int32]() })
    for _ in 0..<count {
      backend.rowArgmax(try extend(&cache, by: next), into: winners)
      let tokens = try winners.ints()
      for (text, token) in tokens.enumerated() { written[text].append(token) }
      next = tokens.map { [$0] }
    }
    return written
  }
}
