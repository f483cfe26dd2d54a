import TensorCore

extension CUDABackend {
  public func columnSums(_ x: Tensor, beta: Float, into out: Tensor) {
    Check.columnSums(x, into: out)
    let cut = ColumnParts(x)
    withScratch(byteCount: 4 * cut.parts * x.columns) { parts in
      launch(
        .rows, "hoof_column_sums_\(x.dtype.name)", grid: cut.grid, threads: ColumnParts.threads, x.pointer, parts, Int64(x.rows),
        Int64(x.columns))
      mergeParts(parts, count: cut.parts, beta: beta, into: out)
    }
  }

  public func rowDots(_ a: Tensor, _ b: Tensor, into out: Tensor) {
    Check.rowDots(a, b, into: out)
    let teams = RowTeams(columns: a.columns, most: 1024)
    launch(
      .rows, "hoof_row_dots_\(a.dtype.name)", grid: teams.grid(a.rows), threads: teams.threads, a.pointer, b.pointer, out.pointer,
      Int64(a.rows), Int64(a.columns), teams.argument)
  }

  public func rowLogSumExp(_ x: Tensor, into out: Tensor) {
    Check.rowLogSumExp(x, into: out)
    rowResult("hoof_row_log_sum_exp_f32", x, into: out)
  }

  public func rowArgmax(_ x: Tensor, into out: Tensor) {
    Check.rowArgmax(x, into: out)
    rowResult("hoof_row_argmax_f32", x, into: out)
  }

  public func activationStatistics(_ x: Tensor, rowWeights: Tensor, threshold: Float, into out: Tensor) {
    Check.activationStatistics(x, rowWeights: rowWeights, into: out)
    let cut = ColumnParts(x)
    let statistics = ActivationStatistic.allCases.count
    withScratch(byteCount: 4 * cut.parts * statistics * x.columns) { parts in
      launch(
        .rows, "hoof_activation_statistics_\(x.dtype.name)", grid: cut.grid, threads: ColumnParts.threads, x.pointer, rowWeights.pointer,
        threshold, parts, Int64(x.rows), Int64(x.columns))
      let maxima = ActivationStatistic.absoluteMaximum.rawValue * x.columns
      mergeParts(parts, count: cut.parts, beta: 0, into: out, maxima: maxima..<maxima + x.columns)
    }
  }

  /// A block for each row of x: the first with an id adds all rows of that id, so that every cell receives its rows in order.
  public func scatterAddRows(_ x: Tensor, at ids: Tensor, into table: Tensor) {
    Check.scatterAddRows(x, at: ids, into: table)
    let threads = 256
    launch(
      .rows, "hoof_scatter_add_rows_\(x.dtype.name)", grid: Grid(x: x.rows, y: x.columns.dividedUp(by: 16 * threads)), threads: threads,
      x.pointer, ids.pointer, table.pointer, Int32(x.rows), Int64(x.columns), Int32(table.rows))
  }

  /// out = Σ over the `count` lines of scratch memory, each as long as `out`, + beta·out; in the elements `maxima` the greatest magnitude.
  func mergeParts(_ parts: UInt64, count: Int, beta: Float, into out: Tensor, maxima: Range<Int> = 0..<0) {
    let columns = out.shape.count
    launch(
      .rows, "hoof_merge_parts", grid: Grid(x: columns.dividedUp(by: 32)), threads: 256, parts, Int32(count), Int64(columns), beta,
      out.pointer, Int64(maxima.lowerBound), Int64(maxima.upperBound))
  }

  private func rowResult(_ kernel: String, _ x: Tensor, into out: Tensor) {
    let teams = RowTeams(logits: x)
    launch(
      .rows, kernel, grid: teams.grid(x.rows), threads: teams.threads, x.pointer, out.pointer, Int64(x.rows), Int64(x.columns),
      teams.argument)
  }
}
