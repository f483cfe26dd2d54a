import TensorCore

/// How sequences lie one after another in the rows of a batch: their positions, and which rows attend to which. Nothing is padded.
public struct PackedLayout: Sendable {
  /// Tokens of each sequence, in row order.
  public let lengths: [Int]
  /// Row's place in its sequence, [N, 1] i32.
  public let positions: Tensor
  public let spans: Spans

  public var rows: Int { lengths.reduce(0, +) }

  init(lengths: [Int], positions: Tensor, spans: Spans) {
    (self.lengths, self.positions, self.spans) = (lengths, positions, spans)
  }

  public init(lengths: [Int], on backend: any ComputeBackend) throws(BackendError) {
    precondition(lengths.allSatisfy { $0 >= 0 }, "layout: negative length")
    self.lengths = lengths
    var starts: [Int32] = [0]
    var positions: [Int32] = []
    for length in lengths {
      starts.append(starts.last! + Int32(length))
      positions.append(contentsOf: 0..<Int32(length))
    }
    self.positions = try Tensor(positions, on: backend)
    spans = Spans(
      queryStarts: try Tensor(starts, on: backend), keyStarts: try Tensor(Array(starts.dropLast()), on: backend),
      keyCounts: try Tensor(lengths.map(Int32.init), on: backend), count: lengths.count, longestQuery: lengths.max() ?? 0)
  }

  /// The same sequences `copies` times: the batch of a study that runs several changed models side by side.
  public func repeated(_ copies: Int) throws(BackendError) -> PackedLayout {
    copies == 1 ? self : try PackedLayout(lengths: Array(repeatElement(lengths, count: copies).joined()), on: positions.backend)
  }
}
