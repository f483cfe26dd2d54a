import CKernels
import TensorCore

extension CPUBackend {
  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) {
    Check.columnSums(x, into: out)
    withColumnParts(rows: x.rows, columns: x.columns, width: x.columns) { rows, part in
      hoof_column_sums(simd, x.f32 + rows.lowerBound * x.columns, part, rows.count, x.columns)
    } combine: { parts, count in
      combineSums(parts, count: count, stride: x.columns, beta: beta, into: out.f32, columns: x.columns)
    }
  }

  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.rowDots(a, b, into: out)
    parallelRows(a.rows, columns: a.columns) { rows in
      let start = rows.lowerBound * a.columns
      hoof_row_dots(simd, a.f32 + start, b.f32 + start, out.f32 + rows.lowerBound, rows.count, a.columns)
    }
  }

  public func rowLogSumExp(_ x: Tensor, into out: Tensor) {
    Check.rowLogSumExp(x, into: out)
    parallelRows(x.rows, columns: x.columns) { rows in
      hoof_row_log_sum_exp(simd, x.f32 + rows.lowerBound * x.columns, out.f32 + rows.lowerBound, rows.count, x.columns)
    }
  }

  public func rowArgmax(_ x: Tensor, into out: Tensor) {
    Check.rowArgmax(x, into: out)
    parallelRows(x.rows, columns: x.columns) { rows in
      hoof_row_argmax(simd, x.f32 + rows.lowerBound * x.columns, out.i32 + rows.lowerBound, rows.count, x.columns)
    }
  }

  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    Check.activationStatistics(x, rowWeights: rowWeights, into: out)
    let columns = x.columns
    let width = columns * ActivationStatistic.allCases.count
    withColumnParts(rows: x.rows, columns: columns, width: width) { rows, part in
      hoof_column_statistics(
        simd, x.f32 + rows.lowerBound * columns, rowWeights.f32 + rows.lowerBound, threshold, part, rows.count, columns)
    } combine: { parts, count in
      for statistic in ActivationStatistic.allCases {
        let from = statistic.rawValue * columns
        switch statistic {
        case .absoluteMaximum: hoof_combine_maxima(parts + from, count, width, out.f32 + from, columns)
        case .weightedAbsoluteSum, .absoluteSum, .sum, .exceedances:
          combineSums(parts + from, count: count, stride: width, beta: 0, into: out.f32 + from, columns: columns)
        }
      }
    }
  }

  /// Workers take columns, so that every cell still receives its rows in order.
  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    Check.scatterAddRows(x, at: ids, into: table)
    for n in 0..<ids.rows {
      precondition(ids.i32[n] >= 0 && Int(ids.i32[n]) < table.rows, "scatterAddRows: id \(ids.i32[n]) at \(n) of table \(table.shape)")
    }
    parallel(x.columns, grain: max(64, elementGrain / max(1, x.rows))) { columns in
      hoof_scatter_add(simd, x.f32, ids.i32, table.f32, x.rows, x.columns, columns.lowerBound, columns.upperBound)
    }
  }

  /// Reductions down the rows: each part sums a fixed number of rows into `width` floats of its own, whatever the number of workers, so that
  /// results do not depend on it; `combine` then joins the parts in order.
  func withColumnParts(
    rows: Int, columns: Int, width: Int, _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void,
    combine: (UnsafeMutablePointer<Float>, Int) -> Void
  ) {
    let height = 128
    let count = (rows + height - 1) / height
    withScratch(bytes: count * width * MemoryLayout<Float>.stride) { scratch in
      let parts = scratch.assumingMemoryBound(to: Float.self)
      parallel(count, grain: max(1, elementGrain / max(1, columns * height))) { range in
        for part in range { body(part * height..<min(rows, (part + 1) * height), parts + part * width) }
      }
      combine(parts, count)
    }
  }

  func combineSums(
    _ parts: UnsafeMutablePointer<Float>, count: Int, stride: Int, beta: Float, into out: UnsafeMutablePointer<Float>, columns: Int
  ) {
    parallel(columns, grain: max(64, elementGrain / max(1, count))) { range in
      hoof_combine_sums(simd, parts + range.lowerBound, count, stride, beta, out + range.lowerBound, range.count)
    }
  }
}
