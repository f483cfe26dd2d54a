import Formats

/// How a study is cut to a memory budget. A study is a sum over positions, so prompts can be studied in groups without changing a number;
/// within a group, several changed models run side by side as extra rows of one batch.
public struct StudyPlan: Sendable, Equatable {
  /// Consecutive prompts studied together.
  public var groups: [Range<Int>]
  /// Rows of one batch; at least one changed model is always run.
  public var rowsPerBatch: Int
  /// Whether the full model's logits are kept for a group, or recomputed for every batch.
  public var keepsLogits: Bool
  /// Rows of logits that exist at a time while models are compared.
  public var rowsPerChunk: Int

  /// Rows beyond which a larger batch no longer makes matrix products faster, but pushes activations out of the caches.
  static let usefulRows = 8192
  /// Most bytes of logits in flight.
  static let chunkBytes = 64 << 20

  public init(lengths: [Int], config: LlamaConfig, budget: Int) {
    let vocabulary = 4 * config.vocabularySize
    let residuals = 4 * config.hiddenSize * (config.layers.count + 3)
    let workspace = StudyPlan.workspacePerRow(config)
    rowsPerChunk = min(1024, max(32, min(StudyPlan.chunkBytes, budget / 8) / vocabulary))

    // Half for what a group keeps, half for the batch that runs: both grow with the group, so neither starves the other.
    let left = max(0, budget - 2 * rowsPerChunk * vocabulary)
    let rows = lengths.reduce(0, +)
    keepsLogits = rows * vocabulary <= left / 4
    let kept = residuals + (keepsLogits ? vocabulary : 0)
    let groupRows = max(1, left / (kept + workspace))
    groups = []
    var start = 0
    var filled = 0
    for (index, length) in lengths.enumerated() {
      if filled > 0, filled + length > groupRows {
        groups.append(start..<index)
        start = index
        filled = 0
      }
      filled += length
    }
    if start < lengths.count { groups.append(start..<lengths.count) }
    let largest = groups.map { lengths[$0].reduce(0, +) }.max() ?? 0
    rowsPerBatch = max(largest, min(StudyPlan.usefulRows, (left - largest * kept) / workspace))
  }

  /// Bytes of activations alive at once per row of a batch.
  static func workspacePerRow(_ config: LlamaConfig) -> Int {
    let widest = config.layers.map { max(3 * ($0.queryHeads + $0.keyHeads) * config.headDim, 3 * $0.intermediateSize) }.max() ?? 0
    return 4 * (4 * config.hiddenSize + widest)
  }
}
