import Formats
import TensorCore
import Training
import Transformer

/// First-order importance of MLP neurons and query heads: what the loss's gradient says about their absence. L is the mean next-token
/// cross-entropy over the calibration prompts.
///
/// `taylor` is the form `activations`: it ranks as measurement does, where the weights' form does not. On stories260K and talespin-tiny, gradients
/// from 32 prompts (1,706 and 1,674 tokens), Spearman's ρ
/// - with the KL of removing single heads: 0.93 and 0.97; the weights' form 0.34 and 0.86;
/// - with the KL of removing single neurons, measured on 8 and 6 of the prompts: 0.33 and 0.80; the weights' form 0.20 and 0.76.
///
/// The KL after the least 20 % of every layer's neurons are gone, on the same: 0.55 and 0.21; the weights' form 0.62 and 0.30, random
/// neurons 0.92 and 0.60. Signed terms cancel over tokens: summed over a prompt before their size is taken, as in arXiv 1905.10650 (over
/// positions in 1611.06440), they give ρ for heads of 0.59 and 0.82, summed over all prompts 0.12 and 0.37. So every token's size counts here. That
/// is not better everywhere: of 30 % of the neurons the sums over prompts choose some that cost less (0.96 and 0.47 against 1.19 and 0.59).
public struct TaylorImportance: Sendable, Equatable {
  /// What the loss is expanded in.
  public enum Form: Sendable, CaseIterable {
    /// The outputs: of neuron i its activation a_i (input of the down projection), of head h its D columns of the output projection's input.
    /// Σ_tokens |a·∂L/∂a|, a head's product summed over its columns (Molchanov et al., arXiv 1611.06440, token by token).
    case activations
    /// The coupled weights: Σ |w·∂L/∂w|, LLM-Pruner's `param_first` summed over the group (arXiv 2305.11627). Of neuron i: row i of gate and
    /// up, column i of down. Of head h: its D rows of q, its D columns of o, and an equal share of the rows of k and v that its group of heads
    /// has in common, so that the scores of a group add up to the group's. With one key head per query head that is LLM-Pruner's sum; it knows
    /// no grouped heads.
    case weights
  }

  /// By layer and neuron; none where the MLP was cut.
  public private(set) var neurons: [[Double]]
  /// By layer and query head; none where the attention was cut.
  public private(set) var heads: [[Double]]

  /// A forward pass, and a backward pass that runs each layer once more. `weights` makes their gradients too, and because those are summed over
  /// all prompts before their size is taken, it keeps every prompt's residual streams; `activations` keeps one group's.
  ///
  /// - Parameters:
  ///   - plan: its groups are what is run together; they are cut in half when memory runs out.
  ///   - monitor: called after each layer.
  /// - Throws: `BackendError`; `StudyError` when a single prompt does not fit; what the monitor throws.
  public init(
    _ model: Llama, prompts: [[Int32]], form: Form = .activations, plan: StudyPlan, monitor: AblationStudy.Monitor = { _ in }
  ) throws {
    let scored = prompts.reduce(0) { $0 + max(0, $1.count - 1) }
    precondition(scored > 0, "Taylor importance: no token to predict")
    neurons = model.config.layers.map { [Double](repeating: 0, count: $0.intermediateSize) }
    heads = model.config.layers.map { [Double](repeating: 0, count: $0.queryHeads) }
    let lengths = prompts.map(\.count)
    let flops = TaylorImportance.flops(model.config, lengths: lengths, form: form)
    var (done, reported) = (0.0, 0.0)
    var fit = GroupFit(groups: plan.groups, rowsPerChunk: plan.rowsPerChunk)
    while !fit.groups.isEmpty {
      let batch = form == .weights ? fit.groups : [fit.groups[0]]
      let share = Double(batch.joined().reduce(0) { $0 + lengths[$1] }) / Double(lengths.reduce(0, +))
      var scores = self
      do {
        var passes: [BackwardPass] = []
        for range in batch {
          let group = try PromptGroup(prompts: range, of: prompts, on: model.backend)
          passes.append(try BackwardPass(model, group, scale: 1 / Float(scored), rowsPerChunk: fit.rowsPerChunk))
        }
        for layer in model.layers.reversed() {
          try scores.add(layer, &passes, form)
          // What is run again after memory ran out is not reported again.
          let now = done + flops * share * Double(model.layers.count - layer.index) / Double(model.layers.count)
          try monitor(StudyProgress(flops: max(0, now - reported), activity: "gradients of layer \(layer.index)"))
          reported = max(reported, now)
        }
      } catch let error as BackendError {
        guard case .outOfMemory(let requested, let free) = error else { throw error }
        guard fit.shrink() else {
          let rows = batch.joined().map { lengths[$0] }.max() ?? 0
          throw StudyError.doesNotFit(prompts: form == .weights ? prompts.count : 1, rows: rows, requested: requested, free: free)
        }
        let note = "out of memory: going on with \(fit.largest) prompts at a time, \(fit.rowsPerChunk) rows of logits"
        try monitor(StudyProgress(flops: 0, activity: "", note: note))
        continue
      }
      self = scores
      done += flops * share
      fit.groups.removeFirst(batch.count)
    }
  }

  /// Floating-point operations it takes: forward, again, and the gradients of rows and, for the weights' form, of weights.
  public static func flops(_ config: LlamaConfig, lengths: [Int], form: Form) -> Double {
    StudyCost(config, lengths: lengths).full * (form == .weights ? 4 : 3)
  }

  /// Takes all passes through one layer.
  private mutating func add(_ layer: DecoderLayer, _ passes: inout [BackwardPass], _ form: Form) throws(BackendError) {
    switch form {
    case .activations:
      for index in passes.indices {
        let sums = try passes[index].stepWithSums(layer)
        for (neuron, value) in (sums.neurons ?? []).enumerated() { neurons[layer.index][neuron] += value }
        for (head, value) in (sums.heads ?? []).enumerated() { heads[layer.index][head] += value }
      }
    case .weights:
      let gradients = Gradients(of: layer.matrices)
      for index in passes.indices { try passes[index].step(into: gradients) }
      if let mlp = layer.mlp { neurons[layer.index] = try gradients.neuronSaliences(mlp) }
      if let attention = layer.attention { heads[layer.index] = try gradients.headSaliences(attention) }
    }
  }
}

/// Groups of prompts still to do, and the rows of logits at a time.
private struct GroupFit {
  var groups: [Range<Int>]
  var rowsPerChunk: Int
  private static let leastChunk = 32

  init(groups: [Range<Int>], rowsPerChunk: Int) { (self.groups, self.rowsPerChunk) = (groups, rowsPerChunk) }

  var largest: Int { groups.map(\.count).max() ?? 0 }

  /// After memory ran out; false when there is nothing left to cut.
  mutating func shrink() -> Bool {
    guard largest > 1 || rowsPerChunk > GroupFit.leastChunk else { return false }
    let most = max(1, largest / 2)
    groups = groups.flatMap { group in
      stride(from: group.lowerBound, to: group.upperBound, by: most).map { $0..<min($0 + most, group.upperBound) }
    }
    rowsPerChunk = max(min(rowsPerChunk, GroupFit.leastChunk), rowsPerChunk / 2)
    return true
  }
}

extension DecoderLayer {
  fileprivate var matrices: [Tensor] {
    [attention?.query, attention?.key, attention?.value, attention?.output, mlp?.gate, mlp?.up, mlp?.down].compactMap { $0 }
  }
}
