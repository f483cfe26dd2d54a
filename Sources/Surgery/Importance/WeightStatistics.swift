import TensorCore

/// Sums over the rows of a weight matrix, one value per column.
struct WeightStatistics {
  /// Σ_r |w|
  let absoluteSums: [Double]
  /// Rows with |w| strictly above the threshold.
  let exceedances: [Double]

  /// Rows converted and summed at a time: a quantised matrix never exists in float as a whole.
  private static let rowsPerPiece = 512

  /// - Parameters:
  ///   - matrix: [R, K] of any type.
  ///   - factors: [1, K] f32; each column is multiplied with its factor first.
  init(_ matrix: Tensor, scaledBy factors: Tensor? = nil, threshold: Float = .infinity) throws(BackendError) {
    let backend = matrix.backend
    let sums = try Tensor(ActivationStatistic.allCases.count, matrix.columns, on: backend)
    var absoluteSums = [Double](repeating: 0, count: matrix.columns)
    var exceedances = absoluteSums
    for start in stride(from: 0, to: matrix.rows, by: WeightStatistics.rowsPerPiece) {
      let part = try matrix.rows(start..<min(start + WeightStatistics.rowsPerPiece, matrix.rows)).copied(as: .f32)
      if let factors { backend.multiply(part, factors, into: part) }
      let ones = try Tensor(part.rows, 1, on: backend)
      backend.fill(ones, with: 1)
      backend.activationStatistics(part, rowWeights: ones, threshold: threshold, into: sums)
      let values = try sums.floats()
      for column in 0..<matrix.columns {
        absoluteSums[column] += Double(values[ActivationStatistic.absoluteSum.rawValue * matrix.columns + column])
        exceedances[column] += Double(values[ActivationStatistic.exceedances.rawValue * matrix.columns + column])
      }
    }
    (self.absoluteSums, self.exceedances) = (absoluteSums, exceedances)
  }
}
