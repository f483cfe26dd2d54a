import TensorCore

extension OpCatalogue {
  static var rows: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes {
      cases += [columnSums(rows, columns, beta: 0), columnSums(rows, columns, beta: 1), columnSums(rows, columns, beta: 0.5)]
      cases += [rowDots(rows, columns), rowLogSumExp(rows, columns), rowArgmax(rows, columns), activationStatistics(rows, columns)]
      cases.append(scatterAddRows(table: 11, columns, count: rows))
      for dtype in [DType.f32, .f16, .bf16, .q8_0, .q4_K] { cases.append(gatherRows(table: 11, columns, dtype, count: rows)) }
      for dtype in [DType.f32, .f16, .bf16] {
        cases += [copyRows(rows, columns, dtype), copyRows(rows, columns, dtype, of: 11), copyRowsWithin(rows, columns, dtype)]
      }
    }
    cases += [rowLogSumExp(3, 128_256), rowLogSumExp(4, 257, scale: 1e4), rowLogSumExpExtremes]
    cases += [rowArgmax(3, 128_256), rowArgmaxExtremes, gatherRows(table: 300, 512, .q4_K, count: 41)]
    cases += [scatterAddRows(table: 2, 41, count: 123), columnSums(4099, 7, beta: 0), activationStatistics(1027, 33)]
    return cases
  }

  static var mixedRows: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes + [(9, 264)] {
      cases += [columnSums(rows, columns, beta: 0, in: .bf16), columnSums(rows, columns, beta: 0.5, in: .bf16)]
      cases += [rowDots(rows, columns, in: .bf16), activationStatistics(rows, columns, in: .bf16)]
      cases.append(scatterAddRows(table: 11, columns, count: rows, in: .bf16))
      for dtype in [DType.f32, .f16, .bf16, .q8_0, .q4_K] { cases.append(gatherRows(table: 11, columns, dtype, count: rows, to: .bf16)) }
    }
    cases += [scatterAddRows(table: 2, 41, count: 123, in: .bf16), columnSums(4099, 7, beta: 0, in: .bf16)]
    return cases + [activationStatistics(1027, 33, in: .bf16)]
  }

  static func gatherRows(table rows: Int, _ columns: Int, _ dtype: DType, count: Int, to type: DType = .f32) -> OpCase {
    OpCase(
      "gatherRows" + (type == .f32 ? "" : " to \(type.name)"), group: "Copy", shapes: "\(Shape(rows, columns)) at \(count)", dtype: dtype,
      tolerance: dtype.isDense ? .exact : .decoding,
      bytes: count * (dtype.rowBytes(columns: columns) + type.rowBytes(columns: columns) + 4), flops: 0
    ) { arguments throws(BackendError) in
      let table = try arguments.input("table", rows, columns, dtype)
      let ids = try arguments.input("ids", (0..<count).map { $0 == 0 ? rows - 1 : Int.random(in: 0..<rows, using: &arguments.random) })
      let out = try arguments.output("out", count, columns, type)
      return { arguments.backend.gatherRows(table, at: ids, into: out) }
    }
  }

  /// - Parameter stored: rows of x to choose from; nil copies all of them.
  static func copyRows(_ count: Int, _ columns: Int, _ dtype: DType, of stored: Int? = nil) -> OpCase {
    let bytes = count * (2 * dtype.rowBytes(columns: columns) + (stored == nil ? 4 : 8))
    return OpCase(
      "copyRows" + (stored == nil ? "" : " chosen"), group: "Copy", shapes: "\(Shape(count, columns)) into \(2 * count + 3)", dtype: dtype,
      tolerance: .exact, bytes: bytes, flops: 0
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", stored ?? count, columns, dtype)
      let sources = try stored.map { stored throws(BackendError) in
        try arguments.input("sources", (0..<count).map { $0 == 0 ? stored - 1 : Int.random(in: 0..<stored, using: &arguments.random) })
      }
      let places = (0..<2 * count + 3).shuffled(using: &arguments.random)
      let targets = try arguments.input("targets", Array(places.prefix(count)))
      let out = try arguments.update("out", arguments.random.matrix(places.count, columns), dtype)
      return { arguments.backend.copyRows(x, at: sources, into: out, at: targets) }
    }
  }

  /// From some rows of a tensor to others of it.
  static func copyRowsWithin(_ count: Int, _ columns: Int, _ dtype: DType) -> OpCase {
    OpCase(
      "copyRows within", group: "Copy", shapes: "\(count) of \(Shape(2 * count + 1, columns))", dtype: dtype, tolerance: .exact,
      bytes: count * (2 * dtype.rowBytes(columns: columns) + 8), flops: 0
    ) { arguments throws(BackendError) in
      let places = (0..<2 * count + 1).shuffled(using: &arguments.random)
      let sources = try arguments.input("sources", Array(places.prefix(count)))
      let targets = try arguments.input("targets", Array(places.suffix(count)))
      let out = try arguments.update("out", arguments.random.matrix(places.count, columns), dtype)
      return { arguments.backend.copyRows(out, at: sources, into: out, at: targets) }
    }
  }

  static func scatterAddRows(table rows: Int, _ columns: Int, count: Int, in type: DType = .f32) -> OpCase {
    OpCase(
      "scatterAddRows" + suffix(type), group: "Rows", shapes: "\(Shape(count, columns)) into \(Shape(rows, columns))", tolerance: .sum,
      bytes: count * ((type.block.bytes + 8) * columns + 4), flops: count * columns
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", count, columns, type)
      let ids = try arguments.input("ids", (0..<count).map { $0 == 0 ? rows - 1 : Int.random(in: 0..<rows, using: &arguments.random) })
      let table = try arguments.update("table", arguments.random.matrix(rows, columns))
      return { arguments.backend.scatterAddRows(x, at: ids, into: table) }
    }
  }

  static func columnSums(_ rows: Int, _ columns: Int, beta: Float, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "columnSums beta \(beta)" + suffix(type), group: "Rows", shapes: "\(shape)", tolerance: .sum, bytes: shape.bytes(type) + 4 * columns,
      flops: shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", rows, columns, type)
      let old = arguments.random.matrix(1, columns)
      let out = beta == 0 ? try arguments.output("out", 1, columns) : try arguments.update("out", old)
      return { arguments.backend.columnSums(x, beta: beta, into: out) }
    }
  }

  static func rowDots(_ rows: Int, _ columns: Int, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "rowDots" + suffix(type), group: "Rows", shapes: "\(shape)", tolerance: .sum, bytes: 2 * shape.bytes(type) + 4 * rows,
      flops: 2 * shape.count
    ) { arguments throws(BackendError) in
      let a = try arguments.input("a", rows, columns, type)
      let b = try arguments.input("b", rows, columns, type)
      let out = try arguments.output("out", rows, 1)
      return { arguments.backend.rowDots(a, b, into: out) }
    }
  }

  static func rowLogSumExp(_ rows: Int, _ columns: Int, scale: Float = 3) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "rowLogSumExp" + (scale > 100 ? " of large values" : ""), group: "Rows", shapes: "\(shape)", tolerance: .exponential,
      bytes: shape.floatBytes + 4 * rows, flops: 3 * shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", arguments.random.matrix(rows, columns, scale: scale))
      let out = try arguments.output("out", rows, 1)
      return { arguments.backend.rowLogSumExp(x, into: out) }
    }
  }

  /// Rows of -inf, with one +inf, with NaN, with all values alike.
  static var rowLogSumExpExtremes: OpCase {
    let shape = Shape(7, 41)
    return OpCase(
      "rowLogSumExp extremes", group: "Rows", shapes: "\(shape)", tolerance: .exponential, bytes: shape.floatBytes, flops: 3 * shape.count
    ) { arguments throws(BackendError) in
      var values = arguments.random.matrix(shape.rows, shape.columns)
      for column in 0..<shape.columns {
        values[0, column] = -.infinity
        values[1, column] = column == 17 ? 5 : -.infinity
        values[4, column] = -1e4
        values[6, column] = column == 40 ? 3e38 : -3e38
      }
      values[2, 40] = .infinity
      values[3, 3] = .nan
      values[5, 0] = -.infinity
      let x = try arguments.input("x", values)
      let out = try arguments.output("out", shape.rows, 1)
      return { arguments.backend.rowLogSumExp(x, into: out) }
    }
  }

  static func rowArgmax(_ rows: Int, _ columns: Int) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "rowArgmax", group: "Rows", shapes: "\(shape)", tolerance: .exact, bytes: shape.floatBytes + 4 * rows, flops: shape.count
    ) { arguments throws(BackendError) in
      // Coarse values: most rows hold their maximum several times, and the first must win.
      let x = try arguments.input("x", Matrix(rows, columns, (0..<shape.count).map { _ in Double(arguments.random.coarse()) }))
      let out = try arguments.output("out", rows, 1, .i32)
      return { arguments.backend.rowArgmax(x, into: out) }
    }
  }

  static var rowArgmaxExtremes: OpCase {
    let shape = Shape(9, 67)
    return OpCase(
      "rowArgmax extremes", group: "Rows", shapes: "\(shape)", tolerance: .exact, bytes: shape.floatBytes, flops: shape.count
    ) { arguments throws(BackendError) in
      var values = arguments.random.matrix(shape.rows, shape.columns)
      for column in 0..<shape.columns {
        values[0, column] = -.infinity
        values[1, column] = column == 66 ? .nan : .infinity
        values[2, column] = .nan
        values[3, column] = column == 31 ? -1e30 : -.infinity
        values[4, column] = 1.5
        values[5, column] = column % 2 == 0 ? -0.0 : 0
      }
      values[6, 66] = .infinity
      (values[7, 64], values[7, 3]) = (.nan, .nan)
      values[8, 0] = .nan
      let x = try arguments.input("x", values)
      let out = try arguments.output("out", shape.rows, 1, .i32)
      return { arguments.backend.rowArgmax(x, into: out) }
    }
  }

  static func activationStatistics(_ rows: Int, _ columns: Int, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "activationStatistics" + suffix(type), group: "Rows", shapes: "\(shape)", tolerance: .sum, bytes: shape.bytes(type) + 20 * columns,
      flops: 6 * shape.count
    ) { arguments throws(BackendError) in
      // Coarse values hit the threshold exactly, which does not count as above it.
      let x = try arguments.input("x", Matrix(rows, columns, (0..<shape.count).map { _ in Double(arguments.random.coarse()) }), type)
      let weights = try arguments.input("rowWeights", arguments.random.matrix(rows, 1).map { abs($0) })
      let out = try arguments.output("out", ActivationStatistic.allCases.count, columns)
      return { arguments.backend.activationStatistics(x, rowWeights: weights, threshold: 0.25, into: out) }
    }
  }
}
