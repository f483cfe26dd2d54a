import JSON
import Transformer

/// The hidden width by SliceGPT (arXiv 2401.15024): units are columns of the residual stream, taken away in blocks of 32, which suit quantised
/// types (the official code rounds to 8). What is kept of the stream is SliceGPT's own choice; a width says all.
struct WidthCuts: CutSequence {
  /// Columns to a block.
  static let block = 32

  let total: Int
  var most: Int { max(0, (total - 1) / WidthCuts.block * WidthCuts.block) }
  let isNested = false
  var increment: Int { WidthCuts.block }
  let scores: JSON = .object([:])

  func cut(_ count: Int, monitor: RemovalSearch.Monitor) -> CutPlan {
    var plan = CutPlan()
    plan.width = max(WidthCuts.block, (total - count) / WidthCuts.block * WidthCuts.block)
    return plan
  }
}
