/// Layers that can all be removed at once without much loss, found by measuring their joint removal.
public struct SafeSet: Sendable, Equatable {
  /// A larger set that was one layer too much.
  public struct Refusal: Sendable, Equatable {
    public let layer: Int
    /// Of perplexity, as a share, with this layer removed as well.
    public let increase: Double
  }

  /// Most that perplexity may grow, as a share: +10 %. About what the next smaller model of a family costs (Llama-2 on WikiText-2: 13B 4.88,
  /// 7B 5.47, which is +12 %), so that a cut beyond it should be compared with a smaller model instead.
  public static let increaseLimit = 0.10

  /// Sorted; empty when even the least important layer is too much.
  public let layers: [Int]
  /// Of the model without all of them.
  public let divergence: Double
  public let perplexity: Double
  /// Of perplexity, as a share of the full model's.
  public let increase: Double
  /// What ended the growth; nil when only one layer was left.
  public let refusal: Refusal?
}

extension AblationStudy {
  /// Grows a set of layers in order of their single divergence, and measures the model without all of them after each step, until perplexity
  /// leaves `SafeSet.increaseLimit`. Layers are removed whatever the study puts in a part's place.
  func measureSafeSet(given result: Result, monitor: (_ flops: Double, _ activity: String) throws -> Void) throws -> SafeSet {
    let base = result.baseline.perplexity
    var safe = SafeSet(layers: [], divergence: 0, perplexity: base, increase: 0, refusal: nil)
    var removed: Set<Int> = []
    for layer in ranked(result.outcomes).prefix(model.layers.count - 1) {
      removed.insert(layer)
      let single = removed.count == 1 && options.replacement == .zero ? result.outcomes[.layer(layer)] : nil
      let outcome = try single ?? measure(without: removed)
      if single == nil { try monitor(removalFlops(removed), "\(removed.count) layers together") }
      let increase = outcome.perplexity / base - 1
      // Not the other way round, so that a model that overflows is refused.
      guard increase <= SafeSet.increaseLimit else {
        return SafeSet(
          layers: safe.layers, divergence: safe.divergence, perplexity: safe.perplexity, increase: safe.increase,
          refusal: .init(layer: layer, increase: increase))
      }
      safe = SafeSet(
        layers: removed.sorted(), divergence: outcome.meanDivergence, perplexity: outcome.perplexity, increase: increase, refusal: nil)
    }
    return safe
  }

  /// Layers by rising divergence, the lower index first on ties.
  func ranked(_ outcomes: [Component: Outcome]) -> [Int] {
    model.layers.indices.filter { outcomes[.layer($0)] != nil }
      .map { layer in
        let divergence = outcomes[.layer(layer)]!.meanDivergence
        // Without this layer the model overflows: the last to drop.
        return (layer, divergence.isNaN ? .infinity : divergence)
      }
      .sorted { ($0.1, $0.0) < ($1.1, $1.0) }.map(\.0)
  }

  /// The full model again, and the cut one.
  private func removalFlops(_ removed: Set<Int>) -> Double {
    2 * cost.full - removed.reduce(0) { $0 + cost.pass($1..<$1 + 1) - cost.pass($1..<$1) }
  }

  /// About what the safe set costs; how far it grows is not known beforehand, so an eighth of the layers is assumed.
  var safeSetFlops: Double { Double(max(1, model.layers.count / 8)) * 2 * cost.full }
}
