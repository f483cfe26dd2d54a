import TensorCore
import Transformer

/// Outliers as OWL counts them (arXiv 2310.05175): weights with A = |W|·‖X‖₂ above M times the mean of A, M = 5. OWL takes all matrices of a
/// layer; here it is the down projection, whose columns the grouped Wanda score sums, so that the same metric measures and prunes.
struct WandaOutliers {
  /// OWL's M.
  static let multiplier = 5.0

  /// Grouped Wanda scores, Σ_c A of column i, by layer and neuron.
  let scores: [[Double]]
  /// Outliers in each neuron's column.
  let counts: [[Double]]
  /// M·mean(A) by layer.
  let thresholds: [Double]
  private let rows: Int

  /// - Parameter thresholds: of an earlier measurement; nil takes them from this one.
  init(_ activity: CalibrationActivity, _ model: Llama, thresholds known: [Double]? = nil) throws(BackendError) {
    rows = model.config.hiddenSize
    var (scores, counts, thresholds): ([[Double]], [[Double]], [Double]) = ([], [], [])
    for (layer, sums) in zip(model.layers, activity.layers) {
      guard let mlp = layer.mlp, let norms = sums.neurons?.squares.map({ Float($0.squareRoot()) }) else {
        scores.append([])
        counts.append([])
        thresholds.append(0)
        continue
      }
      let factors = try Tensor(norms, rows: 1, columns: norms.count, on: model.backend)
      let own = try WeightStatistics(mlp.down, scaledBy: factors).absoluteSums
      let threshold = known?[layer.index] ?? WandaOutliers.multiplier * own.reduce(0, +) / Double(rows * own.count)
      scores.append(own)
      thresholds.append(threshold)
      counts.append(try WeightStatistics(mlp.down, scaledBy: factors, threshold: Float(threshold)).exceedances)
    }
    (self.scores, self.counts, self.thresholds) = (scores, counts, thresholds)
  }

  /// Percent of the weights that are outliers, by layer, among the neurons that are left; nil where there are none.
  func shares(without removed: [Int: Set<Int>] = [:]) -> [Double?] {
    counts.enumerated().map { layer, counts in
      let gone = removed[layer] ?? []
      guard counts.count > gone.count else { return nil }
      let sum = counts.enumerated().reduce(0) { gone.contains($1.offset) ? $0 : $0 + $1.element }
      return 100 * sum / Double(rows * (counts.count - gone.count))
    }
  }
}
