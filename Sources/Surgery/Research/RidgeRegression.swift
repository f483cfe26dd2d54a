import LinearAlgebra

/// Several targets as linear functions of one signal, with a penalty on the slopes that is chosen by leaving each point out once.
///
/// Minimises Σᵢ |yᵢ - ȳ - W·xᵢ|² + λ|W|² over points x of mean 0. With X = U·S·Vᵀ the error at a point that was left out is its residual
/// over 1 - 1/n - Σⱼ uᵢⱼ²·sⱼ²/(sⱼ² + λ), so every λ is tried without fitting again. An infinite λ is among them: where the signal says
/// nothing, the means alone predict.
struct RidgeRegression: Sendable {
  /// λ; infinite for the means alone.
  let penalty: Double
  /// 1 - squared error over that of the means alone, both at points left out.
  let explained: Double
  private let intercepts: [Double]
  /// [C] for each target; empty for the means alone.
  private let slopes: [[Double]]

  /// λ is tried in these multiples of the mean of sⱼ².
  private static let multiples = [1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3]
  /// Of 1 - leverage: a point that its own slope goes through says nothing about others.
  private static let leastFreedom = 1e-9
  /// Of the greatest eigenvalue: below it a direction is rounding.
  private static let leastEigenvalue = 1e-10

  /// - Parameters:
  ///   - points: n ≥ 2 of them, [C] each, of mean 0 in every column.
  ///   - targets: n numbers for each target, finite.
  init(_ points: [[Double]], targets: [[Double]]) {
    let means = targets.map { $0.reduce(0, +) / Double($0.count) }
    let centred = zip(targets, means).map { target, mean in target.map { $0 - mean } }
    let basis = RidgeRegression.directions(points)
    // uⱼ·y of each target
    let shares = centred.map { target in basis.map { RidgeRegression.dot($0.u, target) } }
    let own = 1 / Double(points.count)
    func error(_ penalty: Double) -> Double {
      let weights = basis.map { $0.square / ($0.square + penalty) }
      return points.indices.reduce(0) { sum, i in
        let row = basis.map { $0.u[i] }
        let kept = zip(row, weights).map { $0 * $1 }
        let left = max(RidgeRegression.leastFreedom, 1 - own - RidgeRegression.dot(row, kept))
        return zip(centred, shares).reduce(sum) { sum, pair in
          let residual = (pair.0[i] - RidgeRegression.dot(kept, pair.1)) / left
          return sum + residual * residual
        }
      }
    }
    let mean = basis.reduce(0) { $0 + $1.square } / Double(max(1, basis.count))
    let plain = error(.infinity)
    var best = (penalty: Double.infinity, error: plain)
    for multiple in RidgeRegression.multiples.reversed() where !basis.isEmpty {
      let error = error(multiple * mean)
      if error < best.error { best = (multiple * mean, error) }
    }
    (penalty, intercepts) = (best.penalty, means)
    explained = plain > 0 ? 1 - best.error / plain : 0
    let width = points[0].count
    slopes =
      !best.penalty.isFinite
      ? []
      : shares.map { shares in
        // Xᵀ·U·(S² + λ)⁻¹·Uᵀ·y
        let shrunk = zip(shares, basis).map { $0 / ($1.square + best.penalty) }
        var slope = [Double](repeating: 0, count: width)
        for (i, point) in points.enumerated() {
          let dual = RidgeRegression.dot(basis.map { $0.u[i] }, shrunk)
          for column in slope.indices { slope[column] += point[column] * dual }
        }
        return slope
      }
  }

  /// Each target at a point.
  func predictions(_ point: [Double]) -> [Double] {
    guard !slopes.isEmpty else { return intercepts }
    return zip(intercepts, slopes).map { $0 + RidgeRegression.dot($1, point) }
  }

  /// A direction of the points: sⱼ² and uⱼ, [n].
  private typealias Direction = (square: Double, u: [Double])

  /// By the eigenvectors of X·Xᵀ or of Xᵀ·X, whichever is smaller.
  private static func directions(_ points: [[Double]]) -> [Direction] {
    let (count, width) = (points.count, points[0].count)
    let isDual = count <= width
    let rows = isDual ? points : (0..<width).map { column in points.map { $0[column] } }
    var gram = [Double](repeating: 0, count: rows.count * rows.count)
    for i in rows.indices {
      for j in 0...i {
        let product = dot(rows[i], rows[j])
        (gram[i * rows.count + j], gram[j * rows.count + i]) = (product, product)
      }
    }
    guard let eigen = SymmetricEigen(gram, size: rows.count), let greatest = eigen.values.first, greatest > 0 else { return [] }
    return eigen.values.indices.prefix { eigen.values[$0] > leastEigenvalue * greatest }.map { index in
      let vector = Array(eigen.vectors[index * rows.count..<(index + 1) * rows.count])
      if isDual { return (eigen.values[index], vector) }
      let scale = eigen.values[index].squareRoot()
      return (eigen.values[index], points.map { dot($0, vector) / scale })
    }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for index in a.indices { sum += a[index] * b[index] }
    return sum
  }
}
