import TensorCore

extension OpCatalogue {
  static var matmuls: [OpCase] {
    var cases: [OpCase] = []
    let sizes = [
      (1, 1, 1), (1, 7, 41), (7, 41, 123), (41, 123, 257), (1, 257, 1024), (3, 64, 512), (64, 96, 256), (123, 1, 7), (0, 41, 64),
      (9, 33, 320),
      (2, 1024, 32),
    ]
    for (m, n, k) in sizes {
      for transpose in [Transpose.none, .left, .right] {
        for beta in [Float(0), 1] { cases.append(matmul(m, n, k, transpose, beta: beta)) }
      }
      for dtype in [DType.f16, .bf16, .q8_0, .q4_K] {
        cases += [matmul(m, n, k, .right, dtype), matmul(m, n, k, .right, dtype, beta: 1), matmul(m, n, k, .none, dtype)]
      }
    }
    for dtype in [DType.f32, .f16, .bf16, .q8_0, .q4_K] {
      cases += [matmul(1, 2048, 2048, .right, dtype), matmul(5, 128_256, 32, .right, dtype), matmul(17, 300, 4096, .right, dtype)]
    }
    cases += [
      matmul(7, 41, 123, .right, beta: 0.5), matmul(7, 41, 123, .none, beta: -1), matmul(33, 41, 0, .right),
      matmul(33, 41, 0, .left, beta: 1),
    ]
    for (m, n, k) in tileEdges {
      cases += [matmul(m, n, k, .right), matmul(m, n, k, .right, .q8_0, beta: 1), matmul(m, n, k, .none), matmul(m, n, k, .left, beta: 1)]
    }
    for m in [1, 8, 33] {
      for types in [[DType.f32, .f32], [.q8_0, .q8_0, .q8_0], [.q4_K, .q4_K], [.q8_0, .f16]] { cases.append(several(m, 300, types)) }
    }
    return cases
  }

  /// Around the tiles and depths of a GPU's kernels: full ones, one more, one less, half; K = 8 · odd, whose rows start at 16-byte addresses
  /// but end inside a tile.
  private static let tileEdges = [
    (8, 8, 8), (64, 64, 24), (1, 128, 64), (8, 129, 64), (128, 128, 64), (129, 64, 192), (192, 128, 40), (64, 129, 264), (128, 256, 72),
    (129, 129, 129), (256, 264, 8), (127, 65, 136), (130, 1, 128),
  ]

  static var mixedMatmuls: [OpCase] {
    var cases: [OpCase] = []
    let sizes = [(1, 1, 1), (1, 7, 41), (7, 41, 123), (41, 123, 257), (1, 257, 1024), (3, 64, 512), (123, 1, 7), (0, 41, 64), (9, 33, 320)]
    for (m, n, k) in sizes {
      for out in [DType.f32, .bf16] {
        for dtype in [DType.f32, .f16, .bf16, .q8_0, .q4_K] {
          cases += [matmul(m, n, k, .right, dtype, a: .bf16, out: out), matmul(m, n, k, .none, dtype, a: .bf16, out: out)]
          if dtype != .f16 { cases.append(matmul(m, n, k, .right, dtype, beta: 1, a: .bf16, out: out)) }
        }
      }
      cases += [matmul(m, n, k, .left, .bf16, a: .bf16), matmul(m, n, k, .left, .bf16, beta: 1, a: .bf16)]
    }
    for (m, n, k) in tileEdges {
      for out in [DType.f32, .bf16] { cases.append(matmul(m, n, k, .right, .bf16, a: .bf16, out: out)) }
      cases += [matmul(m, n, k, .right, .bf16, beta: 1, a: .bf16), matmul(m, n, k, .none, .bf16, a: .bf16, out: .bf16)]
      cases += [matmul(m, n, k, .left, .bf16, beta: 1, a: .bf16)]
      for dtype in [DType.q8_0, .q4_K] { cases.append(matmul(m, n, k, .right, dtype, a: .bf16, out: .bf16)) }
    }
    for dtype in [DType.bf16, .q8_0, .q4_K] {
      for m in [1, 4, 17] { cases.append(matmul(m, 384, 2048, .right, dtype, a: .bf16, out: .bf16)) }
      cases.append(matmul(2, 128_256, 32, .right, dtype, a: .bf16))
    }
    cases += [matmul(7, 41, 123, .right, .bf16, beta: 0.5, a: .bf16), matmul(7, 41, 123, .none, .bf16, beta: -1, a: .bf16)]
    cases += [matmul(33, 41, 0, .right, .bf16, a: .bf16, out: .bf16), matmul(33, 41, 0, .left, .bf16, beta: 1, a: .bf16)]
    for m in [1, 33] { cases += [several(m, 300, [.bf16, .bf16], a: .bf16), several(m, 300, [.q8_0, .q8_0], a: .bf16)] }
    return cases + [matmul(300, 520, 1032, .right, .bf16, beta: 1, a: .bf16), matmul(512, 768, 512, .right, .bf16, a: .bf16, out: .bf16)]
  }

  private static func tolerance(_ dtype: DType, a: DType, count: Int) -> Tolerance {
    switch (a, dtype) {
    case (.bf16, .bf16): Tolerance(1e-9, "exact products, but tensor cores add them up in f32 with truncation: some 2^-23 per step")
    case (.bf16, _):
      // Among few results one whose rounding tips over, by 2^-7 at most, counts for much.
      Tolerance(count < 100 ? 1e-4 : 3e-5, "weights of other types are rounded to bf16 on their way into a tensor core: 2^-9 per product")
    default: Tolerance(1e-12, "f32 sums of up to 4096 products in any order; weights of every type are decoded to f32")
    }
  }

  /// One [m, k] with several weights, one of which has no rows.
  static func several(_ m: Int, _ k: Int, _ types: [DType], a typeOfA: DType = .f32) -> OpCase {
    let rows = [70, 0, 33].suffix(types.count)
    let weights = zip(types, rows).map { (dtype: $0, rows: $1) }
    let shapes = "[\(m), \(k)]·" + weights.map { "[\($0.rows), \(k)] \($0.dtype.name)" }.joined(separator: ", ")
    let bytes = weights.reduce(Shape(m, k).bytes(typeOfA)) {
      $0 + $1.rows * $1.dtype.rowBytes(columns: k) + Shape(m, $1.rows).bytes(typeOfA)
    }
    return OpCase(
      "matmuls" + (typeOfA == .f32 ? "" : " \(typeOfA.name)"), group: "Matmul",
      shapes: shapes, dtype: types[0], tolerance: tolerance(types[0], a: typeOfA, count: m * 33), bytes: bytes,
      flops: 2 * m * k * rows.reduce(0, +)
    ) { arguments throws(BackendError) in
      let a = try arguments.input("a", m, k, typeOfA)
      var (inputs, outs): ([Tensor], [Tensor]) = ([], [])
      for (index, weight) in weights.enumerated() {
        inputs.append(try arguments.input("weight \(index)", weight.rows, k, weight.dtype))
        outs.append(try arguments.output("out \(index)", m, weight.rows, typeOfA))
      }
      let (read, written) = (inputs, outs)
      return { arguments.backend.matmuls(a, read, into: written) }
    }
  }

  /// [m, k]·[k, n], whichever operand is stored transposed.
  static func matmul(
    _ m: Int, _ n: Int, _ k: Int, _ transpose: Transpose, _ dtype: DType = .f32, beta: Float = 0, a typeOfA: DType = .f32,
    out typeOfOut: DType = .f32
  ) -> OpCase {
    let (a, b, sign): (Shape, Shape, (String, String)) =
      switch transpose {
      case .none: (Shape(m, k), Shape(k, n), ("", ""))
      case .left: (Shape(k, m), Shape(k, n), ("ᵀ", ""))
      case .right: (Shape(m, k), Shape(n, k), ("", "ᵀ"))
      }
    let bytes = a.bytes(typeOfA) + b.rows * dtype.rowBytes(columns: b.columns) + Shape(m, n).bytes(typeOfOut) * (beta == 0 ? 1 : 2)
    let mix = typeOfA == .f32 ? "" : " \(typeOfA.name) to \(typeOfOut.name)"
    return OpCase(
      "matmul \(transpose)" + (beta == 0 ? "" : " beta \(beta)") + mix, group: "Matmul", shapes: "\(a)\(sign.0)·\(b)\(sign.1)",
      dtype: dtype, tolerance: tolerance(dtype, a: typeOfA, count: m * n), bytes: bytes, flops: 2 * m * n * k
    ) { arguments throws(BackendError) in
      let a = try arguments.input("a", a.rows, a.columns, typeOfA)
      let b = try arguments.input("b", b.rows, b.columns, dtype)
      let out =
        beta == 0
        ? try arguments.output("out", m, n, typeOfOut) : try arguments.update("out", arguments.random.matrix(m, n), typeOfOut)
      return { arguments.backend.matmul(a, b, transpose: transpose, beta: beta, into: out) }
    }
  }
}
