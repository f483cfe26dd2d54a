import Formats
import Glibc
import JSON
import TensorCore

/// Contiguous blocks whose start is learned: a concave gate shuts about n layers, its start follows the gradient of KL(full ‖ gated) over a few
/// prompts at a time while the gate grows sharp, and is rounded in the end. After CLP (arXiv 2510.23652).
///
/// What is public of CLP is a differentiable concave gate over the layers, brought by gradient to the best contiguous block under a
/// divergence of the gated and the original output. The gate's formula, its schedule and its optimiser (Adam, arXiv 1412.6980, on one number)
/// are ours. The steps do not grow with the depth, so that it is cheaper than `SegmentCuts` on deep models with many prompts; it is a search
/// by descent, which may end beside the best block (benchmarks/results has how far). The paper's tuning of the layers beside the cut is
/// `hoof finetune --layers-near-cut`.
struct GateCuts: CutSequence {
  private let search: RemovalSearch
  private let candidates: Range<Int>
  private let rowsPerChunk: Int
  private var starts: [Int: Int] = [:]
  private var learned: [JSON] = []
  let total: Int
  var most: Int { min(candidates.count, total - 1) }
  let isNested = false
  var scores: JSON { .object(["gates": .array(learned)]) }

  /// Of four settings that read as many prompts, the one that ended in the best blocks on talespin-15m, stories260K and talespin-tiny: half as
  /// many steps of twice as many prompts, and gates that begin wider, end beside the best block more often.
  private static let steps = 32
  private static let promptsPerStep = 4
  /// Sharpness of the first and the last step: a dip that reaches two layers to either side; one that is shut but for 5 % at its ends.
  private static let sharpness = (first: 1.5, last: 6.0)
  /// How far the start may walk in all, in lengths of the way it has: there and back again, since steps get smaller.
  private static let reach = 3.0
  private static let (momentum, memory) = (0.8, 0.95)

  init(_ search: RemovalSearch, _ candidates: Range<Int>, rowsPerChunk: Int) {
    self.search = search
    self.candidates = candidates
    self.rowsPerChunk = rowsPerChunk
    total = search.model.layers.count
  }

  mutating func cut(_ count: Int, monitor: RemovalSearch.Monitor) throws -> CutPlan {
    if starts[count] == nil { starts[count] = try learn(count, monitor) }
    let start = starts[count]!
    return CutPlan(layers: start..<start + count)
  }

  private mutating func learn(_ length: Int, _ monitor: RemovalSearch.Monitor) throws -> Int {
    let least = Double(candidates.lowerBound), most = Double(candidates.upperBound - length)
    var gate = ConcaveGate(start: (least + most) / 2, length: length, sharpness: GateCuts.sharpness.first)
    var (mean, square) = (0.0, 0.0)
    var path: [JSON] = []
    // A block as long as all that may go has one place.
    for step in 0..<(most > least ? GateCuts.steps : 0) {
      let share = Double(step) / Double(GateCuts.steps - 1)
      gate.sharpness = GateCuts.sharpness.first * pow(GateCuts.sharpness.last / GateCuts.sharpness.first, share)
      let (divergence, slope) = try search.slope(
        of: gate, prompts: prompts(step), rowsPerChunk: rowsPerChunk, journaledAs: "gate of \(length), step \(step)", monitor: monitor)
      path.append(["start": .double(gate.start), "kl": JSON(measured: divergence)])
      mean = GateCuts.momentum * mean + (1 - GateCuts.momentum) * slope
      square = GateCuts.memory * square + (1 - GateCuts.memory) * slope * slope
      let direction = mean / (1 - pow(GateCuts.momentum, Double(step + 1)))
      let size = (square / (1 - pow(GateCuts.memory, Double(step + 1)))).squareRoot()
      // A model that overflows behind the gate says nothing about where to go.
      guard size > 0, (direction / size).isFinite else { continue }
      let rate = GateCuts.reach * (most - least) / Double(GateCuts.steps) * (1 - share)
      gate.start = min(max(gate.start - rate * direction / size, least), most)
    }
    let start = Int(gate.start.rounded())
    learned.append(["length": .int(length), "start": .int(start), "path": .array(path)])
    return start
  }

  /// Consecutive prompts, all in turn.
  private func prompts(_ step: Int) -> Range<Int> {
    let count = search.prompts.count
    let batches = (count + GateCuts.promptsPerStep - 1) / GateCuts.promptsPerStep
    let batch = step % batches
    return batch * count / batches..<(batch + 1) * count / batches
  }

  fileprivate static func passes(prompts: Int) -> Double {
    let batches = (prompts + promptsPerStep - 1) / promptsPerStep
    return Double(steps) / Double(max(1, batches)) * 3
  }
}

extension PruneMethod {
  /// What `segment-gate` costs for one length, in passes of the full model over all prompts: as a rule two thirds of the layers lie behind the
  /// gate and are run three times beside the full model's own pass.
  public static func gatePasses(prompts: Int) -> Double { GateCuts.passes(prompts: prompts) }
}
