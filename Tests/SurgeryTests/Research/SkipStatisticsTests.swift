import Glibc
@testable import Surgery
import TensorCore
import Testing

/// Clusters, regression and intervals, each against its definition.
struct SkipStatisticsTests {
  private func uniform(_ index: Int, _ seed: UInt64) -> Double { SplitMix64.fraction(UInt64(index), seed: seed) - 0.5 }

  @Test("k-means finds clusters that are there, the same ones for every seed, and no more than there are")
  func clusters() {
    let centres = [[0.0, 0], [10, 0], [0, 10]]
    let points = (0..<60).map { index in [centres[index % 3][0] + uniform(index, 1), centres[index % 3][1] + uniform(index, 2)] }
    for seed in 0..<5 {
      let found = KMeans(points, clusters: 3, seed: seed)
      for index in points.indices { #expect((found.assignments[index] == found.assignments[index % 3])) }
      #expect(Set(found.assignments.prefix(3)).count == 3)
      #expect(found.nearest([9, 1]) == found.assignments[1])
      let again = KMeans(points, clusters: 3, seed: seed)
      #expect(again.assignments == found.assignments && again.centres == found.centres)
      let inertia = points.indices.reduce(0.0) { sum, index in
        let centre = found.centres[found.assignments[index]]
        return sum + pow(points[index][0] - centre[0], 2) + pow(points[index][1] - centre[1], 2)
      }
      #expect(abs(found.inertia - inertia) < 1e-9)
    }
    let twins = KMeans(Array(repeating: [1.0, 2], count: 4) + Array(repeating: [3.0, 4], count: 4), clusters: 5, seed: 0)
    #expect(twins.centres.count == 2 && twins.inertia == 0)
    let one = KMeans(points, clusters: 1, seed: 7)
    #expect(one.assignments.allSatisfy { $0 == 0 } && abs(one.centres[0][0] - points.reduce(0) { $0 + $1[0] } / 60) < 1e-12)
  }

  @Test("columns are scaled to mean 0 and variance 1, and a constant column says nothing")
  func scale() {
    let points = (0..<20).map { [3 + 5 * uniform($0, 1), 7.0, 1e-3 * uniform($0, 2)] }
    let scale = StandardScale(points)
    let scaled = points.map { scale($0) }
    for column in [0, 2] {
      #expect(abs(scaled.reduce(0) { $0 + $1[column] }) < 1e-9 && abs(scaled.reduce(0) { $0 + $1[column] * $1[column] } - 20) < 1e-9)
    }
    #expect(scaled.allSatisfy { $0[1] == 0 } && scale([0, 100, 0])[1] == 0)
  }

  /// Ridge with a free intercept by its normal equations: [intercept, slopes…].
  private func fit(_ points: [[Double]], _ target: [Double], _ penalty: Double) -> [Double] {
    let rows = points.map { [1] + $0 }
    let size = rows[0].count
    var system = (0..<size).map { i in
      (0..<size).map { j in rows.reduce(0) { $0 + $1[i] * $1[j] } + (i == j && i > 0 ? penalty : 0) }
        + [zip(rows, target).reduce(0) { $0 + $1.0[i] * $1.1 }]
    }
    for pivot in 0..<size {
      let best = (pivot..<size).max { abs(system[$0][pivot]) < abs(system[$1][pivot]) }!
      system.swapAt(pivot, best)
      for row in 0..<size where row != pivot {
        let factor = system[row][pivot] / system[pivot][pivot]
        for column in pivot...size { system[row][column] -= factor * system[pivot][column] }
      }
    }
    return (0..<size).map { system[$0][size] / system[$0][$0] }
  }

  private func value(_ fit: [Double], _ point: [Double]) -> Double { zip(fit.dropFirst(), point).reduce(fit[0]) { $0 + $1.0 * $1.1 } }

  @Test(
    "ridge regression is its normal equations, and its penalty the best of those tried by leaving each point out and fitting again",
    arguments: [(24, 3), (7, 12)])
  func ridge(count: Int, width: Int) {
    let raw = (0..<count).map { row in (0..<width).map { uniform(row * width + $0, 5) } }
    let means = (0..<width).map { column in raw.reduce(0) { $0 + $1[column] } / Double(count) }
    let points = raw.map { row in row.indices.map { row[$0] - means[$0] } }
    let targets = (0..<2).map { target in
      points.indices.map { 1 + 2 * points[$0][target] - points[$0][2] + 0.3 * uniform($0, UInt64(8 + target)) }
    }
    let found = RidgeRegression(points, targets: targets)
    let rank = Double(min(width, count - 1))
    let mean = points.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } } / rank
    func leftOut(_ penalty: Double) -> Double {
      points.indices.reduce(0) { sum, left in
        let others = points.indices.filter { $0 != left }
        return targets.reduce(sum) { sum, target in
          let rest = others.map { target[$0] }
          let prediction =
            penalty.isFinite
            ? value(fit(others.map { points[$0] }, rest, penalty), points[left]) : rest.reduce(0, +) / Double(rest.count)
          return sum + pow(target[left] - prediction, 2)
        }
      }
    }
    let penalties = [1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3].map { $0 * mean } + [.infinity]
    let errors = penalties.map(leftOut)
    let best = errors.indices.min { errors[$0] < errors[$1] }!
    // Eigenvectors against elimination, of well-conditioned systems.
    #expect(penalties[best].isFinite && relativeError(found.penalty, penalties[best]) < 1e-9)
    #expect(abs(found.explained - (1 - errors[best] / errors.last!)) < 1e-7)
    for point in points.prefix(3) + [(0..<width).map { uniform($0, 99) }] {
      for (target, prediction) in zip(targets, found.predictions(point)) {
        #expect(abs(prediction - value(fit(points, target, found.penalty), point)) < 1e-8)
      }
    }
  }

  @Test("where no slope helps with points left out, the means alone predict")
  func means() {
    let points = (0..<30).map { [uniform($0, 1)] }
    let scale = StandardScale(points)
    // Even in the signal: a line through it only hurts.
    let target = points.map { scale($0)[0] * scale($0)[0] * ($0[0] > 0 ? 1 : 1.01) }
    let found = RidgeRegression(points.map { scale($0) }, targets: [target, target.map { -$0 }])
    if found.penalty == .infinity {
      let mean = target.reduce(0, +) / 30
      #expect(found.predictions([5]) == [mean, -mean] && found.explained == 0)
    }
    let flat = RidgeRegression(Array(repeating: [0.0, 0], count: 4), targets: [[1, 2, 3, 6]])
    #expect(flat.penalty == .infinity && flat.predictions([1, 1]) == [3])
  }

  @Test("the interval is the normal one for many texts, the value itself for equal ones, and a function of the seed")
  func bootstrap() throws {
    let differences = (0..<400).map { 3 * uniform($0, 1) + 0.2 }
    let counts = [Double](repeating: 1, count: 400)
    let found = try #require(SkipResult.interval(differences, counts: counts, seed: 0))
    let mean = differences.reduce(0, +) / 400
    let error = (differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }).squareRoot() / 400
    // The ends of 10,000 resamples scatter by about 3 % of a standard error.
    #expect(abs(found.lowerBound - (mean - 1.96 * error)) < 0.12 * error && abs(found.upperBound - (mean + 1.96 * error)) < 0.12 * error)
    #expect(SkipResult.interval([2, 4, 6], counts: [1, 2, 3], seed: 0) == 2...2)
    #expect(SkipResult.interval(differences, counts: counts, seed: 0) == found)
    #expect(SkipResult.interval(differences, counts: counts, seed: 1) != found)
    #expect(SkipResult.interval([1, .nan], counts: [1, 1], seed: 0) == nil)
  }

  @Test("sets of layers are counted as they are listed")
  func sets() {
    for layers in 1...7 {
      for size in 0...layers {
        let all = LayerSets.all(size, of: 2..<2 + layers)
        #expect(all.count == LayerSets.count(size, of: layers) && Set(all).count == all.count)
        #expect(all.allSatisfy { $0.count == size && $0.allSatisfy { (2..<2 + layers).contains($0) } })
      }
    }
    #expect(LayerSets.count(40, of: 80) == .max && LayerSets.count(3, of: 2) == 0)
  }
}
