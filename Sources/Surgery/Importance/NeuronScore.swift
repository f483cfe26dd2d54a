import Formats
import TensorCore
import Transformer

/// How much an MLP neuron matters, by name; the least go first. a = silu(gate)·up is the input of the down projection.
public enum NeuronScore: String, Sendable, CaseIterable {
  /// Mean over prompts of the mean of |a| over the prompt's tokens.
  case meanAbsolute = "mean-abs"
  /// Share of tokens with |a| > 0.02.
  case firingRate = "firing-rate"
  /// ‖a_i‖₂ · Σ_c |W_down[c, i]|, the norm taken over all tokens: Wanda's |W|·‖X‖₂ (arXiv 2306.11695) summed over the weights that read the
  /// neuron. Wanda scores single weights; summing over the column of `down_proj` alone is how FLAP's authors (arXiv 2312.11983) made it
  /// structural (Wanda-sp). Rows of gate and up are left out: what they weigh is already in a.
  case wanda
  /// √Σ_prompts (mean over the prompt's tokens of |a|)², Minitron (arXiv 2407.14679).
  case minitron
  /// Σ_tokens |a·∂L/∂a|, `TaylorImportance`.
  case taylor

  /// By layer and neuron; none where the MLP was cut. One forward pass, for `taylor` a backward pass too.
  public func measure(
    _ model: Llama, prompts: [[Int32]], plan: StudyPlan, monitor: AblationStudy.Monitor = { _ in }
  ) throws -> [[Double]] {
    if self == .taylor { return try TaylorImportance(model, prompts: prompts, plan: plan, monitor: monitor).neurons }
    let activity = try CalibrationActivity(model, prompts: prompts, measuring: [.neurons], plan: plan, monitor: monitor)
    return try values(activity, model)
  }

  /// What `measure` costs, for a progress bar.
  public func flops(_ config: LlamaConfig, lengths: [Int]) -> Double {
    self == .taylor
      ? TaylorImportance.flops(config, lengths: lengths, form: .activations) : StudyCost(config, lengths: lengths).full
  }

  /// From activity that is there already; `taylor` needs gradients.
  func values(_ activity: CalibrationActivity, _ model: Llama) throws(BackendError) -> [[Double]] {
    var scores: [[Double]] = []
    for (layer, sums) in zip(model.layers, activity.layers) {
      guard let neurons = sums.neurons, let mlp = layer.mlp else {
        scores.append([])
        continue
      }
      switch self {
      case .meanAbsolute: scores.append(neurons.promptMeans.map { $0 / Double(activity.prompts) })
      case .firingRate: scores.append(neurons.exceedances.map { $0 / Double(activity.tokens) })
      case .minitron: scores.append(neurons.squaredPromptMeans.map { $0.squareRoot() })
      case .wanda:
        let weights = try WeightStatistics(mlp.down).absoluteSums
        scores.append(zip(neurons.squares, weights).map { $0.squareRoot() * $1 })
      case .taylor: preconditionFailure("taylor: activations alone give no gradient")
      }
    }
    return scores
  }
}
