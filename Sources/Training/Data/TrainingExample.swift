/// One sequence to train on: ids, and which of them the model is to learn to write.
public struct TrainingExample: Sendable, Equatable {
  public let ids: [Int32]
  /// Of each id, whether it is a target. Never the first: nothing stands before it.
  public let isScored: [Bool]
  /// Where it comes from: "line 3". Pieces of one long text share it.
  public let place: String

  public init(ids: [Int32], isScored: [Bool], place: String) {
    precondition(ids.count == isScored.count && isScored.first != true, "example: \(ids.count) ids, \(isScored.count) marks")
    (self.ids, self.isScored, self.place) = (ids, isScored, place)
  }

  /// Ids that are targets.
  public var scored: Int { isScored.count { $0 } }

  /// Rows of a forward pass: all ids but the last, behind which nothing is predicted.
  public var rows: Int { ids.count - 1 }
}
