import Dispatch
import JSON
import TensorCore

/// An adapter that goes into the weights of a new file: W + scale·B·A.
struct AdapterMerge {
  private let adapter: AdapterFile
  /// By the weight's name in the source.
  private let pairs: [String: AdapterFile.Pair]
  /// Matrices whose sums are rounded, by the type that rounds them.
  private(set) var rounded: [DType: Int] = [:]

  init(_ adapter: AdapterFile, into source: ModelSource) throws(FormatError) {
    try adapter.check(fits: source.config)
    self.adapter = adapter
    pairs = Dictionary(uniqueKeysWithValues: adapter.pairs.map { ($0.name, $0) })
  }

  /// What a tensor of the new file consists of, if it is to be stored as `dtype`; `content` itself where the adapter has nothing for it.
  mutating func content(_ content: ModelImport.Item.Content, as dtype: DType) -> ModelImport.Item.Content {
    guard case .stored(let tensor, let rows, let columns) = content, let pair = pairs[tensor.name] else { return content }
    if dtype != .f32 { rounded[dtype, default: 0] += 1 }
    let sum = MergedRows(weight: tensor, rows: rows, columns: columns, pair: pair, adapter: adapter)
    return .made { (range) throws in try sum(range) }
  }

  /// The entry for a file's history.
  var history: JSON {
    [
      "method": "merge-adapter", "adapter": .string(adapter.sha256()), "rank": .int(adapter.settings.rank),
      "alpha": .double(adapter.settings.alpha), "rank_stabilized": .bool(adapter.settings.rankStabilized), "pairs": .int(pairs.count),
    ]
  }

  /// What the user should know.
  var notes: [String] {
    DType.allCases.compactMap { type in
      guard let count = rounded[type] else { return nil }
      let how = type.isDense ? "rounded" : "widened, added to and quantised again"
      return "\(count) matrices are \(type.name): with the adapter in them they are \(how); --f32 keeps the sums as they are"
    }
  }
}

/// Rows of one merged weight: computed in f32, rounded once by whoever stores them.
private struct MergedRows: Sendable {
  let weight: StoredTensor
  /// What stays of the weight, ascending; nil for all.
  let rows: [Int]?, columns: [Int]?
  let pair: AdapterFile.Pair
  let adapter: AdapterFile

  func callAsFunction(_ range: Range<Int>) throws(FormatError) -> [Float] {
    let (a, b) = (try adapter.values(of: pair.a), try adapter.values(of: pair.b))
    let (rank, width, scale) = (pair.rank, weight.shape.columns, Float(pair.scale))
    let kept = columns?.count ?? width
    let values = [Float](unsafeUninitializedCapacity: range.count * kept) { buffer, count in
      nonisolated(unsafe) let out = buffer.baseAddress!
      // Rows are independent; a task has so many that starting it costs nothing beside them.
      let share = 64
      DispatchQueue.concurrentPerform(iterations: (range.count + share - 1) / share) { task in
        var update = [Float](repeating: 0, count: width)
        for index in task * share..<min((task + 1) * share, range.count) {
          let row = rows?[range.lowerBound + index] ?? range.lowerBound + index
          let sum = weight.floats(row: row)
          for column in 0..<width { update[column] = 0 }
          for k in 0..<rank {
            let factor = b[row * rank + k]
            for column in 0..<width { update[column] += factor * a[k * width + column] }
          }
          let target = out + index * kept
          if let columns {
            for (new, old) in columns.enumerated() { target[new] = sum[old] + scale * update[old] }
          } else {
            for column in 0..<width { target[column] = sum[column] + scale * update[column] }
          }
        }
      }
      count = range.count * kept
    }
    weight.release(rows: rows.map { $0[range.lowerBound]..<$0[range.upperBound - 1] + 1 } ?? range)
    return values
  }
}

extension StoredTensor {
  /// Tells the kernel that these rows are not needed for now.
  fileprivate func release(rows: Range<Int>) {
    file.release(range.lowerBound + rows.lowerBound * rowBytes..<range.lowerBound + rows.upperBound * rowBytes)
  }
}
