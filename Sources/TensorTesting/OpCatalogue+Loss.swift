import TensorCore

extension OpCatalogue {
  enum Gradient: String, CaseIterable { case none, apart, inPlace = "in place" }

  static var losses: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in [(1, 1), (1, 257), (7, 41), (41, 123), (3, 1024), (0, 64), (2, 128_256)] {
      for gradient in Gradient.allCases { cases += [crossEntropy(rows, columns, gradient), klDivergence(rows, columns, gradient)] }
    }
    cases += [crossEntropy(5, 257, .apart, scale: 1e4), klDivergence(5, 257, .apart, scale: 1e4), klDivergenceWithRuledOutColumns]
    for (count, rows, chunk) in [(1, 1, 64), (1, 7, 3), (3, 41, 16), (2, 5, 1), (2, 0, 8)] {
      for recomputed in [false, true] {
        cases.append(linearDivergence(variants: count, rows, width: 48, vocabulary: 257, chunk: chunk, recomputed: recomputed, .f32))
      }
    }
    for dtype in [DType.bf16, .f16, .q8_0, .q4_K] {
      cases.append(linearDivergence(variants: 2, 7, width: 256, vocabulary: 123, chunk: 4, recomputed: true, dtype))
      cases.append(linearCrossEntropy(7, width: 256, vocabulary: 123, chunk: 4, dtype, dHidden: true, dWeight: true))
    }
    for (rows, chunk) in [(1, 64), (7, 3), (41, 16), (0, 8)] {
      for (dHidden, dWeight) in [(false, false), (true, false), (false, true), (true, true)] {
        cases.append(linearCrossEntropy(rows, width: 41, vocabulary: 257, chunk: chunk, .f32, dHidden: dHidden, dWeight: dWeight))
      }
    }
    return cases + headEdges(.f32, in: .f32)
  }

  static var mixedLosses: [OpCase] {
    var cases: [OpCase] = []
    for (count, rows, chunk) in [(1, 1, 64), (1, 7, 3), (3, 41, 16), (2, 5, 1), (2, 0, 8)] {
      for recomputed in [false, true] {
        cases.append(
          linearDivergence(variants: count, rows, width: 48, vocabulary: 257, chunk: chunk, recomputed: recomputed, .bf16, in: .bf16))
      }
    }
    for dtype in [DType.f32, .f16, .q8_0, .q4_K] {
      cases.append(linearDivergence(variants: 2, 7, width: 256, vocabulary: 123, chunk: 4, recomputed: true, dtype, in: .bf16))
      cases.append(linearCrossEntropy(7, width: 256, vocabulary: 123, chunk: 4, dtype, dHidden: true, dWeight: true, in: .bf16))
    }
    for (rows, chunk) in [(1, 64), (7, 3), (41, 16), (0, 8)] {
      for (dHidden, dWeight) in [(false, false), (true, false), (false, true), (true, true)] {
        cases.append(
          linearCrossEntropy(rows, width: 41, vocabulary: 257, chunk: chunk, .bf16, dHidden: dHidden, dWeight: dWeight, in: .bf16))
      }
    }
    return cases + headEdges(.bf16, in: .bf16)
  }

  /// Around the tiles of a GPU's fused LM head: rows, vocabulary and width that fill them, and that do not.
  private static func headEdges(_ dtype: DType, in type: DType) -> [OpCase] {
    [
      linearDivergence(variants: 2, 65, width: 64, vocabulary: 512, chunk: 48, recomputed: false, dtype, in: type),
      linearDivergence(variants: 1, 128, width: 64, vocabulary: 257, chunk: 128, recomputed: true, dtype, in: type),
      linearDivergence(variants: 3, 17, width: 136, vocabulary: 1000, chunk: 64, recomputed: true, dtype, in: type),
      linearDivergence(variants: 2, 3, width: 72, vocabulary: 4099, chunk: 64, recomputed: false, dtype, in: type),
      linearCrossEntropy(65, width: 64, vocabulary: 512, chunk: 48, dtype, dHidden: true, dWeight: true, in: type),
      linearCrossEntropy(17, width: 136, vocabulary: 1000, chunk: 64, dtype, dHidden: true, dWeight: true, in: type),
    ]
  }

  /// Every third row is not scored.
  private static func targets(_ rows: Int, _ vocabulary: Int, _ random: inout RandomGenerator) -> [Int] {
    (0..<rows).map { $0 % 3 == 2 ? -1 - 99 * ($0 % 2) : $0 == 0 ? vocabulary - 1 : Int.random(in: 0..<vocabulary, using: &random) }
  }

  static func crossEntropy(_ rows: Int, _ columns: Int, _ gradient: Gradient, scale: Float = 3) -> OpCase {
    let shape = Shape(rows, columns)
    // Rows that are not scored need not be read; their gradient is written nevertheless.
    let scored = rows - rows / 3
    let variant = (gradient == .none ? "" : " with gradient \(gradient.rawValue)") + (scale > 100 ? " of large values" : "")
    return OpCase(
      "crossEntropy" + variant, group: "Loss", shapes: "\(shape)", tolerance: .loss,
      bytes: 4 * columns * (scored + (gradient == .none ? 0 : rows)),
      flops: (gradient == .none ? 3 : 5) * scored * columns
    ) { arguments throws(BackendError) in
      let values = arguments.random.matrix(rows, columns, scale: scale)
      let logits = gradient == .inPlace ? try arguments.update("dLogits", values) : try arguments.input("logits", values)
      let targets = try arguments.input("targets", targets(rows, columns, &arguments.random))
      let losses = try arguments.output("losses", rows, 1)
      let dLogits: Tensor? =
        switch gradient {
        case .none: nil
        case .apart: try arguments.output("dLogits", rows, columns)
        case .inPlace: logits
        }
      // A scale near 1 keeps the gradients of rows and columns comparable with the tolerance's absolute size.
      return { arguments.backend.crossEntropy(logits: logits, targets: targets, scale: 0.75, into: losses, dLogits: dLogits) }
    }
  }

  static func klDivergence(_ rows: Int, _ columns: Int, _ gradient: Gradient, scale: Float = 3) -> OpCase {
    let shape = Shape(rows, columns)
    let variant = (gradient == .none ? "" : " with gradient \(gradient.rawValue)") + (scale > 100 ? " of large values" : "")
    return OpCase(
      "klDivergence" + variant, group: "Loss", shapes: "\(shape)", tolerance: .loss, bytes: (gradient == .none ? 2 : 3) * shape.floatBytes,
      flops: (gradient == .none ? 8 : 12) * shape.count
    ) { arguments throws(BackendError) in
      let values = arguments.random.matrix(rows, columns, scale: scale)
      // The changed model's logits lie near the reference's, as after a real cut; in row 0 they are the same and the divergence is 0.
      let near = values.zip(arguments.random.matrix(rows, columns, scale: scale / 4)) { Double(Float($0 + $1)) }
      var changed = near
      if rows > 1 { for column in 0..<columns { changed[0, column] = values[0, column] } }
      let p = try arguments.input("p", values)
      let q = gradient == .inPlace ? try arguments.update("dQ", changed) : try arguments.input("q", changed)
      let divergences = try arguments.output("divergences", rows, 1)
      let dQ: Tensor? =
        switch gradient {
        case .none: nil
        case .apart: try arguments.output("dQ", rows, columns)
        case .inPlace: q
        }
      return { arguments.backend.klDivergence(of: p, from: q, scale: 0.75, into: divergences, dQ: dQ) }
    }
  }

  /// Logits of -inf: in p alone (adds nothing), in both (adds nothing), in q alone (infinitely far).
  static var klDivergenceWithRuledOutColumns: OpCase {
    let shape = Shape(4, 41)
    return OpCase(
      "klDivergence with ruled out columns", group: "Loss", shapes: "\(shape)", tolerance: .loss, bytes: 3 * shape.floatBytes,
      flops: 12 * shape.count
    ) { arguments throws(BackendError) in
      var (p, q) = (arguments.random.matrix(shape.rows, shape.columns), arguments.random.matrix(shape.rows, shape.columns))
      for column in [0, 7, 33, 40] {
        p[0, column] = -.infinity
        (p[1, column], q[1, column]) = (-.infinity, -.infinity)
        q[2, column] = -.infinity
      }
      let (first, second) = (try arguments.input("p", p), try arguments.input("q", q))
      let (divergences, dQ) = (try arguments.output("divergences", shape.rows, 1), try arguments.output("dQ", shape.rows, shape.columns))
      return { arguments.backend.klDivergence(of: first, from: second, scale: 0.75, into: divergences, dQ: dQ) }
    }
  }

  private static func headTolerance(_ dtype: DType, _ type: DType) -> Tolerance {
    switch (type, dtype) {
    case (.bf16, .bf16):
      Tolerance(
        1e-9, "f32 logits, added up by tensor cores with truncation; their gradient is rounded to bf16 for the products", absolute: 1,
        limits: ["dHidden": 3e-5, "dWeight": 1e-5])
    case (.bf16, _): Tolerance(3e-5, "weights and the logits' gradient are rounded to bf16 on their way into a tensor core", absolute: 1)
    default: Tolerance(1e-11, "f32 logits and log-sum-exp", absolute: 1)
    }
  }

  static func linearDivergence(
    variants: Int, _ rows: Int, width: Int, vocabulary: Int, chunk: Int, recomputed: Bool, _ dtype: DType, in type: DType = .f32
  ) -> OpCase {
    let total = variants * rows
    return OpCase(
      "linearDivergence of \(recomputed ? "hidden" : "logits")" + suffix(type), group: "Loss",
      shapes: "\(Shape(total, width))·\(Shape(vocabulary, width))ᵀ by \(chunk)", dtype: dtype, tolerance: headTolerance(dtype, type),
      bytes: type.block.bytes * total * width + vocabulary * dtype.rowBytes(columns: width),
      flops: 2 * (total + (recomputed ? rows : 0)) * width * vocabulary + 11 * total * vocabulary
    ) { arguments throws(BackendError) in
      let scale = 2 / Float(width).squareRoot()
      let original = arguments.random.matrix(rows, width, scale: scale)
      let hidden = Matrix(total, width, (0..<total * width).map { original.values[$0 % (rows * width)] })
        .zip(arguments.random.matrix(total, width, scale: scale / 4)) { Double(Float($0 + $1)) }
      let weight = try arguments.input("weight", vocabulary, width, dtype)
      let reference =
        recomputed
        ? DivergenceReference.hidden(try arguments.input("reference", original, type))
        : .logits(try arguments.input("reference", rows, vocabulary))
      let changed = try arguments.input("hidden", hidden, type)
      let targets = try arguments.input("targets", targets(rows, vocabulary, &arguments.random))
      let results = DivergenceRows(
        divergences: try arguments.output("divergences", total, 1), losses: try arguments.output("losses", total, 1),
        winners: try arguments.output("winners", total, 1, .i32))
      return { () throws(BackendError) in
        try arguments.backend.linearDivergence(
          of: reference, from: changed, weight: weight, targets: targets, rowsPerChunk: chunk, into: results)
      }
    }
  }

  static func linearCrossEntropy(
    _ rows: Int, width: Int, vocabulary: Int, chunk: Int, _ dtype: DType, dHidden: Bool, dWeight: Bool, in type: DType = .f32
  ) -> OpCase {
    let variant = (dHidden ? " dHidden" : "") + (dWeight ? " dWeight" : "") + suffix(type)
    return OpCase(
      "linearCrossEntropy" + variant, group: "Loss", shapes: "\(Shape(rows, width))·\(Shape(vocabulary, width))ᵀ by \(chunk)", dtype: dtype,
      tolerance: headTolerance(dtype, type), bytes: type.block.bytes * rows * width + vocabulary * dtype.rowBytes(columns: width),
      flops: 2 * rows * width * vocabulary * (1 + (dHidden ? 1 : 0) + (dWeight ? 1 : 0)) + 5 * rows * vocabulary
    ) { arguments throws(BackendError) in
      let hidden = try arguments.input("hidden", arguments.random.matrix(rows, width, scale: 2 / Float(width).squareRoot()), type)
      let weight = try arguments.input("weight", vocabulary, width, dtype)
      let targets = try arguments.input("targets", targets(rows, vocabulary, &arguments.random))
      let losses = try arguments.output("losses", rows, 1)
      let dHidden = dHidden ? try arguments.output("dHidden", rows, width, type) : nil
      let dWeight = dWeight ? try arguments.update("dWeight", arguments.random.matrix(vocabulary, width)) : nil
      return { () throws(BackendError) in
        try arguments.backend.linearCrossEntropy(
          hidden: hidden, weight: weight, targets: targets, scale: 0.75, rowsPerChunk: chunk, into: losses, dHidden: dHidden,
          dWeight: dWeight)
      }
    }
  }
}
