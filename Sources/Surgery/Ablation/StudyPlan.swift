import Evaluation
import Formats
import TensorCore

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

  /// Rows of a batch that are worth their memory, whatever the budget allows. More rows touch more fresh pages, fewer rows mean that the
  /// weights are converted and packed more often; a byte of the one costs about half of a weight of the other, so the sum is least at the
  /// square root. Measured on two cores: 1,260 for 260 K weights (a third faster than 8,192), 4,700 for 15.7 M (5 % faster than 850).
  static func usefulRows(_ config: LlamaConfig, studied: Int) -> Int {
    let weights = Double(config.parameterCount) / Double(config.workspacePerRow())
    return min(8192, max(512, Int((Double(studied) * weights / 2).squareRoot())))
  }

  /// Most bytes of logits in flight: what a third cache holds some times over, or what fills a device that computes many rows at once.
  private static let chunkBytes = 64 << 20
  private static let deviceChunkBytes = 1 << 30
  private static let leastChunk = 32

  /// Bytes a study may take beside the weights unless the user says: half of what is free, on a machine with other work at most 4 GiB.
  public static func budget(on backend: any ComputeBackend) -> Int {
    let half = backend.memory().free / 2
    return backend.usefulRows == nil ? min(4 << 30, half) : half
  }

  /// - Parameters:
  ///   - components: how many parts of the model will be taken out.
  ///   - backend: where the study runs; nil plans for a CPU.
  public init(lengths: [Int], config: LlamaConfig, components: Int = 64, budget: Int, on backend: (any ComputeBackend)? = nil) {
    let vocabulary = 4 * config.vocabularySize
    let residuals = 4 * config.hiddenSize * (config.layers.count + 3)
    let workspace = config.workspacePerRow(activations: backend?.activations ?? .f32)
    let deviceRows = backend?.usefulRows
    let chunk = deviceRows == nil ? StudyPlan.chunkBytes : StudyPlan.deviceChunkBytes
    rowsPerChunk = min(deviceRows ?? 1024, max(StudyPlan.leastChunk, min(chunk, budget / 8) / vocabulary))

    // Half for what a group keeps, half for the batch that runs: both grow with the group, so neither starves the other.
    // A third stays free for what a backend's memory pool keeps.
    let left = max(0, budget - 2 * rowsPerChunk * vocabulary) / 3 * 2
    let rows = lengths.reduce(0, +)
    keepsLogits = rows * vocabulary <= left / 4
    let kept = residuals + (keepsLogits ? vocabulary : 0)
    // A change in the middle layer runs through half of the model: the rows of full passes that the study amounts to.
    let useful = deviceRows ?? StudyPlan.usefulRows(config, studied: rows * components / 2)
    let mostRows = max(1, min(useful, left / (kept + workspace)))
    // Groups of about the same size: their batches use the same memory.
    let groupRows = rows / ((rows + mostRows - 1) / mostRows)
    groups = []
    var start = 0
    var filled = 0
    for (index, length) in lengths.enumerated() {
      if filled > 0, filled + length > mostRows || filled >= groupRows {
        groups.append(start..<index)
        start = index
        filled = 0
      }
      filled += length
    }
    if start < lengths.count { groups.append(start..<lengths.count) }
    let largest = groups.map { lengths[$0].reduce(0, +) }.max() ?? 0
    rowsPerBatch = max(largest, min(useful, (left - largest * kept) / workspace))
  }

  /// After memory ran out: half the batch, as long as that means fewer models side by side or smaller chunks; then no kept logits.
  /// False when there is nothing left to give up.
  mutating func shrink(groupRows: Int) -> Bool {
    if rowsPerBatch / max(1, groupRows) > 1 || rowsPerChunk > StudyPlan.leastChunk {
      rowsPerBatch = max(groupRows, rowsPerBatch / 2)
      rowsPerChunk = max(min(rowsPerChunk, StudyPlan.leastChunk), rowsPerChunk / 2)
      return true
    }
    defer { keepsLogits = false }
    return keepsLogits
  }
}
