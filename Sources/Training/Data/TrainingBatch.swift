/// Sequences of one pass, packed without padding; attention stays inside each document.
public struct TrainingBatch: Sendable, Equatable {
  /// What goes into the model. An example's last id does not: nothing behind it is predicted.
  public let sequences: [[Int32]]
  /// Of each row of `sequences`, the next id where it is scored, -1 where it is not.
  public let targets: [[Int32]]

  public init(sequences: [[Int32]], targets: [[Int32]]) { (self.sequences, self.targets) = (sequences, targets) }

  public init(_ examples: [TrainingExample]) {
    sequences = examples.map { Array($0.ids.dropLast()) }
    targets = examples.map { example in zip(example.ids, example.isScored).dropFirst().map { $1 ? $0 : -1 } }
  }

  /// Rows of the pass.
  public var tokens: Int { sequences.reduce(0) { $0 + $1.count } }
  /// Rows that predict a scored token.
  public var scored: Int { targets.reduce(0) { $0 + $1.count { $0 >= 0 } } }
}
