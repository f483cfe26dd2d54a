import TensorCore

/// What the columns of one place of a layer do over calibration prompts, as sums: neurons, channels of heads, channels of normed rows.
/// One value per column.
public struct ColumnActivity: Sendable, Equatable {
  /// Σ over prompts of m, the mean of |x| over the prompt's tokens.
  public fileprivate(set) var promptMeans: [Double]
  /// Σ over prompts of m².
  public fileprivate(set) var squaredPromptMeans: [Double]
  /// Σ over tokens of x².
  public fileprivate(set) var squares: [Double]
  /// Tokens with |x| strictly above the threshold.
  public fileprivate(set) var exceedances: [Double]

  mutating func add(_ other: ColumnActivity) {
    for path in [\ColumnActivity.promptMeans, \.squaredPromptMeans, \.squares, \.exceedances] {
      for index in self[keyPath: path].indices { self[keyPath: path][index] += other[keyPath: path][index] }
    }
  }
}

/// The same sums on the device while a group of prompts is run: nothing is downloaded before the group is through.
struct ColumnAccumulator {
  private static let statistics = ActivationStatistic.allCases.count
  /// `ActivationStatistic` summed over prompts, then Σ m², then Σ x².
  private let sums: Tensor

  init(columns: Int, on backend: any ComputeBackend) throws(BackendError) {
    sums = try Tensor(ColumnAccumulator.statistics + 2, columns, on: backend)
    backend.fill(sums, with: 0)
  }

  /// - Parameters:
  ///   - x: rows of one prompt of n tokens, an activation.
  ///   - shares: [n, 1], 1/n each.
  func add(_ x: Tensor, shares: Tensor, threshold: Float) throws(BackendError) {
    let backend = x.backend
    let count = ColumnAccumulator.statistics
    let statistics = try Tensor(count, x.columns, on: backend)
    backend.activationStatistics(x, rowWeights: shares, threshold: threshold, into: statistics)
    backend.addScaled(statistics, by: 1, into: sums.rows(0..<count))
    let means = statistics.rows(ActivationStatistic.weightedAbsoluteSum.rawValue..<ActivationStatistic.weightedAbsoluteSum.rawValue + 1)
    backend.multiply(means, means, into: means)
    backend.addScaled(means, by: 1, into: sums.rows(count..<count + 1))
    // A square in bf16 would be rounded once more.
    let wide = try x.copied(as: .f32)
    backend.multiply(wide, wide, into: wide)
    backend.columnSums(wide, beta: 1, into: sums.rows(count + 1..<count + 2))
  }

  func activity() throws(BackendError) -> ColumnActivity {
    let values = try sums.floats()
    let columns = sums.columns
    func row(_ index: Int) -> [Double] { values[index * columns..<(index + 1) * columns].map(Double.init) }
    return ColumnActivity(
      promptMeans: row(ActivationStatistic.weightedAbsoluteSum.rawValue), squaredPromptMeans: row(ColumnAccumulator.statistics),
      squares: row(ColumnAccumulator.statistics + 1), exceedances: row(ActivationStatistic.exceedances.rawValue))
  }
}
