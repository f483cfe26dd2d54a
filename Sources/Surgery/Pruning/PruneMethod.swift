/// How to choose what goes from a model, by the names of the command line. What each does, in a line, is data: help, README and `hoof compare`
/// read it from here. Where a method differs from its paper, the type that does it says how.
public enum PruneMethod: String, Sendable, CaseIterable {
  case ablation, greedy, shortgpt, angular, magnitude
  case attentionNorm = "attention-norm"
  case finercut, segment
  case segmentGate = "segment-gate"
  case mrp, owl, slicegpt, minitron, tail, first, middle, random

  /// What is cut, and what `--drop` and `--ratio` count.
  public enum Unit: String, Sendable {
    case layers, sublayers, neurons, width
  }

  /// What a method must have seen of the texts.
  public enum Calibration: String, Sendable {
    case none, texts
  }

  /// A method in a line each.
  public struct Facts: Sendable {
    public let unit: Unit
    public let calibration: Calibration
    public let formula: String
    /// arXiv number and authors' name for it.
    public let source: String
    /// In passes of the full model over the calibration texts; L layers, K of them to go.
    public let cost: String
  }

  public var facts: Facts {
    switch self {
    case .ablation:
      Facts(
        unit: .layers, calibration: .texts, formula: "KL(full ‖ without layer l), least first, measured once",
        source: "one-shot ranking of Shortened LLaMA (arXiv 2402.02834), with KL for perplexity", cost: "1 + L/2")
    case .greedy:
      Facts(
        unit: .layers, calibration: .texts, formula: "argmin KL(full ‖ without S and l), measured again after each removal",
        source: "SLEB (arXiv 2402.09025), with KL or its NLL", cost: "1 + about K·L/2, less as layers go")
    case .shortgpt:
      Facts(
        unit: .layers, calibration: .texts, formula: "Block Influence 1 - mean cos(x_l, x_l+1), least first",
        source: "ShortGPT (arXiv 2403.03853)", cost: "1")
    case .angular:
      Facts(
        unit: .layers, calibration: .texts, formula: "the block with the least arccos(cos(x_l, x_l+K))/π at last tokens",
        source: "Gromov et al. (arXiv 2403.17887)", cost: "1")
    case .magnitude:
      Facts(
        unit: .layers, calibration: .none, formula: "mean |w| over the layer's matrices, least first",
        source: "magnitude criterion of Shortened LLaMA (arXiv 2402.02834), per weight", cost: "0")
    case .attentionNorm:
      Facts(
        unit: .layers, calibration: .texts, formula: "mean L2 norm of what the attention adds to the stream, least first",
        source: "a cheap proxy of hoof ablate --proxies, no paper", cost: "1")
    case .finercut:
      Facts(
        unit: .sublayers, calibration: .texts, formula: "argmin JS(full, without S and sublayer c), measured again after each removal",
        source: "FinerCut (arXiv 2405.18218), with true JS, KL or NLL", cost: "1 + about K·L")
    case .segment:
      Facts(
        unit: .layers, calibration: .texts, formula: "the block of K layers with the least KL, over every start",
        source: "after CLP (arXiv 2510.23652): exhaustive instead of a learned gate", cost: "1 + about (L - K)²/2L")
    case .segmentGate:
      Facts(
        unit: .layers, calibration: .texts, formula: "the block of K layers a concave gate settles on, by gradient of KL(full ‖ gated)",
        source: "after CLP (arXiv 2510.23652); the gate's formula is ours", cost: "1 + about 400/P for P prompts, whatever L and K")
    case .mrp:
      Facts(
        unit: .neurons, calibration: .texts, formula: "again and again some neurons of the layer with the highest non-outlier ratio",
        source: "adapted from MRP (arXiv 2503.18377), which allots unstructured sparsity", cost: "1 + about 20·R·L for a share R")
    case .owl:
      Facts(
        unit: .neurons, calibration: .texts, formula: "share of neurons per layer from its outlier ratio #{A > M·mean A}/#A, A = |W|·‖X‖₂",
        source: "adapted from OWL (arXiv 2310.05175), which allots unstructured sparsity", cost: "1")
    case .slicegpt:
      Facts(
        unit: .width, calibration: .texts, formula: "rotate the stream to its principal components and keep the first k",
        source: "SliceGPT (arXiv 2401.15024)", cost: "about 2")
    case .minitron:
      Facts(
        unit: .neurons, calibration: .texts, formula: "sqrt(Σ over prompts of (mean |a|)²), the same share of every layer",
        source: "Minitron (arXiv 2407.14679)", cost: "1")
    case .tail: plain("the last K")
    case .first: plain("the first K")
    case .middle: plain("the middle K")
    case .random: plain("any K, drawn with --seed")
    }
  }

  private func plain(_ formula: String) -> Facts {
    Facts(unit: .layers, calibration: .none, formula: formula, source: "baseline", cost: "0")
  }
}
