import Glibc
import TensorCore
import Transformer

/// Perplexity over non-overlapping windows of one long text; no context is carried from one window to the next.
public struct WindowPerplexity: Sendable, Equatable {
  public let windows: Int
  public let scoredTokens: Int
  /// Sum of -ln p, nats.
  public let loss: Double
  public var meanLoss: Double { loss / Double(scoredTokens) }
  public var perplexity: Double { exp(meanLoss) }

  /// Windows of `window` ids, the last one shorter. With `bos` it stands in front of each window and every token is scored; without, the
  /// first token of each window is not, and a window of one token is skipped.
  public init(_ model: Llama, ids: [Int32], window: Int, bos: Int32?, rowsPerBatch: Int = 4096) throws(BackendError) {
    var sequences: [[Int32]] = []
    for start in stride(from: 0, to: ids.count, by: window) {
      let part = Array(ids[start..<min(start + window, ids.count)])
      let sequence = bos.map { [$0] + part } ?? part
      if sequence.count > 1 { sequences.append(sequence) }
    }
    var sum = 0.0
    let perBatch = max(1, rowsPerBatch / (window + 1))
    for start in stride(from: 0, to: sequences.count, by: perBatch) {
      let batch = Array(sequences[start..<min(start + perBatch, sequences.count)])
      sum += try WindowPerplexity.loss(model, batch)
    }
    loss = sum
    windows = sequences.count
    scoredTokens = sequences.reduce(0) { $0 + $1.count - 1 }
  }

  private static func loss(_ model: Llama, _ sequences: [[Int32]]) throws(BackendError) -> Double {
    let backend = model.backend
    let layout = try PackedLayout(lengths: sequences.map(\.count), on: backend)
    let ids = try Tensor(Array(sequences.joined()), on: backend)
    let targets = try Tensor(sequences.flatMap { $0.dropFirst() + [-1] }, on: backend)
    let losses = try Tensor(layout.rows, 1, on: backend)
    try backend.linearCrossEntropy(
      hidden: model.hidden(ids, layout, in: Eager()), weight: model.head, targets: targets, scale: 1, rowsPerChunk: 256, into: losses,
      dHidden: nil, dWeight: nil)
    return try losses.floats().reduce(0) { $0 + Double($1) }
  }
}
