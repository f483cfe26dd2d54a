import JSON

/// Contiguous blocks by angular distance: for every length n the start with the least mean arccos(cos(x_l, x_l+n))/π at the prompts' last
/// tokens (Gromov et al., arXiv 2403.17887). Each length has its own best block, so a longer one need not hold a shorter one.
///
/// The paper's healing (QLoRA) is `hoof finetune`'s. Every start is a candidate, also the one that ends with the last layer; what leaves the
/// last layer is taken before the final norm.
struct AngularCuts: CutSequence {
  private let starts: [Int]
  let total: Int
  let most: Int
  let isNested = false
  let scores: JSON

  init(_ candidates: Range<Int>, of layers: Int, _ blocks: [ActivityStatistics.Block]) {
    total = layers
    most = min(candidates.count, layers - 1)
    var (starts, best): ([Int], [JSON]) = ([], [])
    for length in stride(from: 1, through: most, by: 1) {
      let block = blocks.filter { $0.length == length && $0.start >= candidates.lowerBound && $0.start + length <= candidates.upperBound }
        .min { ($0.lastToken, $0.start) < ($1.lastToken, $1.start) }!
      starts.append(block.start)
      best.append(["length": .int(length), "start": .int(block.start), "angular_distance": JSON(measured: block.lastToken)])
    }
    self.starts = starts
    scores = .object(["blocks": .array(best)])
  }

  func cut(_ count: Int, monitor: RemovalSearch.Monitor) -> CutPlan { CutPlan(layers: starts[count - 1]..<starts[count - 1] + count) }
}

/// Contiguous blocks by what they really cost: for every length the start with the least KL(full ‖ cut), every start measured from the shared
/// prefix. After CLP (arXiv 2510.23652), which finds the start by gradient on a concave gate over the layers (`GateCuts`): at a given length no
/// gate can find a better block than trying them all, and up to some dozens of layers that is no dearer. The paper's tuning of the layers beside
/// the cut is `hoof finetune --layers-near-cut`.
struct SegmentCuts: CutSequence {
  private let search: RemovalSearch
  private let candidates: Range<Int>
  private var best: [Int: (start: Int, outcome: Outcome)] = [:]
  private var measured: [JSON] = []
  let total: Int
  var most: Int { min(candidates.count, total - 1) }
  let isNested = false
  var scores: JSON { .object(["blocks": .array(measured)]) }

  init(_ search: RemovalSearch, _ candidates: Range<Int>) {
    self.search = search
    self.candidates = candidates
    total = search.model.layers.count
  }

  mutating func cut(_ count: Int, monitor: RemovalSearch.Monitor) throws -> CutPlan {
    if best[count] == nil {
      for start in candidates.lowerBound...candidates.upperBound - count {
        let outcome = try search.outcome(of: CutPlan(layers: start..<start + count), journaledAs: (start, count), monitor: monitor)
        let score = SearchMetric.kl.score(outcome)
        measured.append(["length": .int(count), "start": .int(start), "kl": JSON(measured: outcome.meanDivergence)])
        if best[count].map({ score < SearchMetric.kl.score($0.outcome) }) ?? true { best[count] = (start, outcome) }
      }
    }
    let start = best[count]!.start
    return CutPlan(layers: start..<start + count)
  }

  func outcome(_ count: Int) -> Outcome? { best[count]?.outcome }
}
