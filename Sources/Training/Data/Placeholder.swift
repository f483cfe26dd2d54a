import Evaluation
import Formats
import JSON
import Tokenization

public struct TrainingExample: Sendable, Equatable {
  public let ids: [Int32]
  public let isScored: [Bool]
  public let place: String
  public init(ids: [Int32], isScored: [Bool], place: String) { (self.ids, self.isScored, self.place) = (ids, isScored, place) }
}

public struct TrainingBatch: Sendable, Equatable {
  public let sequences: [[Int32]]
  public let targets: [[Int32]]
  public init(sequences: [[Int32]], targets: [[Int32]]) { (self.sequences, self.targets) = (sequences, targets) }
  public init(_ examples: [TrainingExample]) {
    sequences = examples.map { Array($0.ids.dropLast()) }
    targets = examples.map { example in zip(example.ids, example.isScored).dropFirst().map { $1 ? $0 : -1 } }
  }
  public var tokens: Int { sequences.reduce(0) { $0 + $1.count } }
  public var scored: Int { targets.joined().count { $0 >= 0 } }
}

public struct BatchOrder: Sendable {
  public enum Size: Sendable, Equatable { case examples(Int), tokens(Int) }
  let examples: [TrainingExample], size: Size, accumulation: Int, seed: UInt64
  public init(_ examples: [TrainingExample], size: Size, accumulation: Int, seed: UInt64) {
    (self.examples, self.size, self.accumulation, self.seed) = (examples, size, accumulation, seed)
  }
  private var batch: Int { if case .examples(let n) = size { n } else { 8 } }
  public func batches(step: Int) -> [TrainingBatch] {
    (0..<accumulation).map { part in
      let first = ((step - 1) * accumulation + part) * batch
      return TrainingBatch((first..<first + batch).map { examples[$0 % examples.count] })
    }
  }
  public func steps(epochs: Int) -> Int { (epochs * examples.count - 1) / (batch * accumulation) + 1 }
}

public enum ChatFormat: Sendable {
  case absent
  public enum Name: String, Sendable, CaseIterable { case llama3, llama2, chatml, zephyr, plain }
  public init(_ source: ModelSource, _ tokenizer: Tokenizer, named name: Name? = nil) { self = .absent }
}

public struct TrainingData: Sendable {
  public struct Options: Sendable, Equatable {
    public enum Long: String, CaseIterable, Sendable { case cut, drop }
    public enum Scores: String, CaseIterable, Sendable { case answers, all }
    public var maxTokens: Int, long: Long, scores: Scores, bos: Bool
    public init(maxTokens: Int, long: Long = .cut, scores: Scores = .answers, bos: Bool = true) {
      (self.maxTokens, self.long, self.scores, self.bos) = (maxTokens, long, scores, bos)
    }
  }
  public let examples: [TrainingExample]
  public let path: String, sha256: String
  public let cutCount: Int, droppedCount: Int
  public var tokens: Int { examples.reduce(0) { $0 + $1.ids.count } }
  public var scoredTokens: Int { examples.reduce(0) { $0 + $1.isScored.count { $0 } } }

  public init(path: String, tokenizer: Tokenizer, config: LlamaConfig, format: ChatFormat, options: Options) throws(FormatError) {
    let corpus = try Corpus(path: path)
    (self.path, sha256, cutCount, droppedCount) = (path, corpus.sha256, 0, 0)
    var examples: [TrainingExample] = []
    for (text, place) in zip(corpus.texts, corpus.places) {
      guard case .plain(let text) = text else { continue }
      let ids = Array(tokenizer.encode(text, template: true).prefix(options.maxTokens))
      examples.append(TrainingExample(ids: ids, isScored: ids.indices.map { $0 > 0 }, place: place))
    }
    self.examples = examples
  }
}
