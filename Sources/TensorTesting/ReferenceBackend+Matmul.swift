import TensorCore

extension Definition {
  /// op(a)·op(b), see `Transpose`.
  public static func matmul(_ a: Matrix, _ b: Matrix, _ transpose: Transpose) -> Matrix {
    let (m, n, inner) =
      switch transpose {
      case .none: (a.rows, b.columns, a.columns)
      case .left: (a.columns, b.columns, a.rows)
      case .right: (a.rows, b.rows, a.columns)
      }
    let (aRow, aInner) = transpose == .left ? (1, a.columns) : (a.columns, 1)
    let (bColumn, bInner) = transpose == .right ? (b.columns, 1) : (1, b.columns)
    var out = Matrix(m, n)
    out.values.withUnsafeMutableBufferPointer { out in
      a.values.withUnsafeBufferPointer { a in
        b.values.withUnsafeBufferPointer { b in
          // The inner index runs outermost where b's rows lie along it, so that memory is read in order.
          for i in 0..<m {
            if transpose == .right {
              for j in 0..<n {
                var sum = 0.0
                for k in 0..<inner { sum += a[i * aRow + k * aInner] * b[j * bColumn + k * bInner] }
                out[i * n + j] = sum
              }
            } else {
              for k in 0..<inner {
                let factor = a[i * aRow + k * aInner]
                for j in 0..<n { out[i * n + j] += factor * b[j * bColumn + k * bInner] }
              }
            }
          }
        }
      }
    }
    return out
  }
}

extension ReferenceBackend {
  public func matmul(_ a: Tensor, _ b: Tensor, transpose: Transpose, beta: Float, into out: Tensor) {
    Check.matmul(a, b, transpose: transpose, into: out)
    let product = Definition.matmul(load(a), load(b), transpose)
    // beta 0 must not read `out`: 0·NaN would be NaN.
    store(beta == 0 ? product : product.zip(load(out)) { $0 + Double(beta) * $1 }, into: out)
  }
}
