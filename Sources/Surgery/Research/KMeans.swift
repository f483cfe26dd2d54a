import TensorCore

/// Points in clusters: Lloyd's iteration from seeds by k-means++ (Arthur and Vassilvitskii, SODA 2007), the best of several starts. The
/// same seed gives the same clusters everywhere.
struct KMeans: Sendable {
  /// As many as were asked for, or fewer where the points are not that different.
  private(set) var centres: [[Double]]
  /// Each point's cluster.
  private(set) var assignments: [Int]
  /// Sum of squared distances to the own cluster's centre.
  private(set) var inertia: Double

  private static let starts = 8
  private static let mostRounds = 100

  /// - Parameter points: at least one, all of one length, finite.
  init(_ points: [[Double]], clusters: Int, seed: Int) {
    precondition(!points.isEmpty && clusters > 0, "k-means: \(clusters) clusters of \(points.count) points")
    var best: KMeans?
    for start in 0..<(clusters == 1 ? 1 : KMeans.starts) {
      var numbers = SplitMix64(seed: SplitMix64.seed(UInt64(truncatingIfNeeded: seed), for: UInt64(start)))
      let found = KMeans(points, from: KMeans.seeds(points, clusters, &numbers))
      if best.map({ found.inertia < $0.inertia }) ?? true { best = found }
    }
    self = best!
  }

  private init(_ points: [[Double]], from seeds: [[Double]]) {
    centres = seeds
    (assignments, inertia) = ([], 0)
    for _ in 0..<KMeans.mostRounds {
      let before = assignments
      assignments = points.map { nearest($0) }
      if assignments == before { break }
      centres = centres.indices.map { cluster in
        let members = points.indices.filter { assignments[$0] == cluster }
        // A centre that nobody is near stays where it is, and is left out in the end.
        return members.isEmpty ? centres[cluster] : KMeans.mean(members.map { points[$0] })
      }
    }
    let used = Set(assignments).sorted()
    centres = used.map { centres[$0] }
    assignments = assignments.map { used.firstIndex(of: $0)! }
    inertia = zip(points, assignments).reduce(0) { $0 + KMeans.distance($1.0, centres[$1.1]) }
  }

  /// The cluster whose centre is nearest; of equals the first.
  func nearest(_ point: [Double]) -> Int {
    let distances = centres.map { KMeans.distance(point, $0) }
    return distances.indices.min { distances[$0] < distances[$1] }!
  }

  /// Each next one is drawn with probability proportional to its squared distance to those chosen already.
  private static func seeds(_ points: [[Double]], _ count: Int, _ numbers: inout SplitMix64) -> [[Double]] {
    var seeds = [points[Int(numbers.next(upperBound: UInt64(points.count)))]]
    var distances = points.map { distance($0, seeds[0]) }
    while seeds.count < count {
      let total = distances.reduce(0, +)
      guard total > 0 else { break }
      var left = Double.random(in: 0..<total, using: &numbers)
      var chosen = distances.lastIndex { $0 > 0 }!
      for (index, weight) in distances.enumerated() where weight > 0 {
        if left < weight {
          chosen = index
          break
        }
        left -= weight
      }
      seeds.append(points[chosen])
      for (index, point) in points.enumerated() { distances[index] = min(distances[index], distance(point, points[chosen])) }
    }
    return seeds
  }

  private static func mean(_ points: [[Double]]) -> [Double] {
    var sum = [Double](repeating: 0, count: points[0].count)
    for point in points { for column in sum.indices { sum[column] += point[column] } }
    return sum.map { $0 / Double(points.count) }
  }

  private static func distance(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for column in a.indices { sum += (a[column] - b[column]) * (a[column] - b[column]) }
    return sum
  }
}
