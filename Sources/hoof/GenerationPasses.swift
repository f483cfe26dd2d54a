import TensorCore
import TensorTesting
import Transformer

/// What generation does over and over, ready to be timed: prompts read at once, then tokens written one by one. One cache serves both.
struct GenerationPasses {
  let model: Llama
  /// Of each sequence, all of one length.
  let prompts: [[Int32]]
  /// Tokens in front of the first one that is written.
  let prefix: Int
  /// Tokens written for each sequence in one pass.
  let steps: Int
  private var cache: KVCache
  private let winners: Tensor

  /// - Parameters:
  ///   - prefix: how much of the prompts the written tokens stand behind; nil for all.
  ///   - steps: 0 where only prompts are read.
  init(_ model: Llama, prompts: [[Int32]], prefix: Int? = nil, steps: Int) throws(BackendError) {
    let length = prompts[0].count
    precondition(prompts.allSatisfy { $0.count == length } && (1...length).contains(prefix ?? length), "generation: \(length) tokens")
    self.model = model
    self.prompts = prompts
    self.prefix = prefix ?? length
    self.steps = steps
    cache = try KVCache(model.config, slots: prompts.count, capacity: max(length, self.prefix + steps), on: model.backend)
    winners = try Tensor(prompts.count, 1, .i32, on: model.backend)
  }

  var cacheBytes: Int { cache.byteCount }

  /// Reads the prompts into the emptied cache.
  mutating func prefill() throws(BackendError) {
    for slot in 0..<cache.slots { cache.truncate(slot, to: 0) }
    _ = try model.extend(&cache, by: prompts)
  }

  /// Writes `steps` tokens behind the prefix, which `prefill` has put into the cache.
  mutating func decode() throws(BackendError) {
    for slot in 0..<cache.slots { cache.truncate(slot, to: prefix) }
    // What the first one says changes no time.
    var next = prompts.map { [$0[prefix - 1]] }
    for _ in 0..<steps {
      // As when text is written: the token must be known before the next step.
      model.backend.rowArgmax(try model.extend(&cache, by: next), into: winners)
      next = try winners.ints().map { [$0] }
    }
  }

  /// Made-up text: what it says changes no time.
  static func tokens(_ count: Int, of vocabularySize: Int, seed: UInt64) -> [Int32] {
    var random = RandomGenerator(seed: seed)
    return (0..<count).map { _ in Int32.random(in: 0..<Int32(vocabularySize), using: &random) }
  }
}
