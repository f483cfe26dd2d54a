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
    return cases
  }

  /// [m, k]·[k, n], whichever operand is stored transposed.
  static func matmul(_ m: Int, _ n: Int, _ k: Int, _ transpose: Transpose, _ dtype: DType = .f32, beta: Float = 0) -> OpCase {
    let (a, b, sign): (Shape, Shape, (String, String)) =
      switch transpose {
      case .none: (Shape(m, k), Shape(k, n), ("", ""))
      case .left: (Shape(k, m), Shape(k, n), ("ᵀ", ""))
      case .right: (Shape(m, k), Shape(n, k), ("", "ᵀ"))
      }
    let tolerance = Tolerance(1e-12, "f32 sums of up to 4096 products in any order; weights of every type are decoded to f32")
    let bytes = a.floatBytes + b.rows * dtype.rowBytes(columns: b.columns) + 4 * m * n * (beta == 0 ? 1 : 2)
    return OpCase(
      "matmul \(transpose)" + (beta == 0 ? "" : " beta \(beta)"), group: "Matmul", shapes: "\(a)\(sign.0)·\(b)\(sign.1)", dtype: dtype,
      tolerance: tolerance, bytes: bytes, flops: 2 * m * n * k
    ) { arguments throws(BackendError) in
      let a = try arguments.input("a", a.rows, a.columns)
      let b = try arguments.input("b", b.rows, b.columns, dtype)
      let out = beta == 0 ? try arguments.output("out", m, n) : try arguments.update("out", arguments.random.matrix(m, n))
      return { arguments.backend.matmul(a, b, transpose: transpose, beta: beta, into: out) }
    }
  }
}
