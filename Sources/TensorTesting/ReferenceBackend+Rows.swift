import Glibc
import TensorCore

extension Definition {
  /// ln Σ exp(x); -inf for a row of -inf, +inf if one is, NaN if one is.
  public static func logSumExp(_ row: ArraySlice<Double>) -> Double {
    var greatest = -Double.infinity
    for x in row {
      if x.isNaN { return .nan }
      greatest = max(greatest, x)
    }
    guard greatest.isFinite else { return greatest }
    var sum = 0.0
    for x in row { sum += exp(x - greatest) }
    return greatest + log(sum)
  }

  /// The first column holding the maximum, relative to the row's start; NaN counts as larger than any number.
  public static func argmax(_ row: ArraySlice<Double>) -> Int {
    var best = row.startIndex
    for i in row.indices {
      if row[i].isNaN { return i - row.startIndex }
      if row[i] > row[best] { best = i }
    }
    return best - row.startIndex
  }

  static func columnSums(_ x: Matrix) -> Matrix {
    var out = Matrix(1, x.columns)
    for row in 0..<x.rows { for column in 0..<x.columns { out[0, column] += x[row, column] } }
    return out
  }
}

extension ReferenceBackend {
  public func gatherRows(_ table: Tensor, at ids: Tensor, into out: Tensor) {
    Check.gatherRows(table, at: ids, into: out)
    for (n, id) in loadIntegers(ids).enumerated() { store(load(table.rows(id..<id + 1)), into: out.rows(n..<n + 1)) }
  }

  public func copyRows(_ x: Tensor, at sources: Tensor?, into out: Tensor, at targets: Tensor) {
    Check.copyRows(x, at: sources, into: out, at: targets)
    let sources = sources.map(loadIntegers) ?? Array(0..<x.rows)
    for (source, target) in zip(sources, loadIntegers(targets)) {
      store(load(x.rows(source..<source + 1)), into: out.rows(target..<target + 1))
    }
  }

  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    Check.scatterAddRows(x, at: ids, into: table)
    for (n, id) in loadIntegers(ids).enumerated() {
      let row = table.rows(id..<id + 1)
      store(load(row).zip(load(x.rows(n..<n + 1)), +), into: row)
    }
  }

  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) {
    Check.columnSums(x, into: out)
    let sums = Definition.columnSums(load(x))
    store(beta == 0 ? sums : sums.zip(load(out)) { $0 + Double(beta) * $1 }, into: out)
  }

  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.rowDots(a, b, into: out)
    let products = load(a).zip(load(b), *)
    store(Matrix(a.rows, 1, (0..<a.rows).map { products.row($0).reduce(0, +) }), into: out)
  }

  public func rowLogSumExp(_ x: Tensor, into out: Tensor) {
    Check.rowLogSumExp(x, into: out)
    let values = load(x)
    store(Matrix(x.rows, 1, (0..<x.rows).map { Definition.logSumExp(values.row($0)) }), into: out)
  }

  public func rowArgmax(_ x: Tensor, into out: Tensor) {
    Check.rowArgmax(x, into: out)
    let values = load(x)
    storeIntegers((0..<x.rows).map { Definition.argmax(values.row($0)) }, into: out)
  }

  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    Check.activationStatistics(x, rowWeights: rowWeights, into: out)
    let (x, weights) = (load(x), load(rowWeights))
    var result = Matrix(ActivationStatistic.allCases.count, x.columns)
    for row in 0..<x.rows {
      for column in 0..<x.columns {
        let value = x[row, column]
        result[ActivationStatistic.weightedAbsoluteSum.rawValue, column] += weights[row, 0] * abs(value)
        result[ActivationStatistic.absoluteSum.rawValue, column] += abs(value)
        result[ActivationStatistic.sum.rawValue, column] += value
        let greatest = result[ActivationStatistic.absoluteMaximum.rawValue, column]
        result[ActivationStatistic.absoluteMaximum.rawValue, column] = max(greatest, abs(value))
        result[ActivationStatistic.exceedances.rawValue, column] += abs(value) > Double(threshold) ? 1 : 0
      }
    }
    store(result, into: out)
  }
}
