import TensorCore

extension Definition {
  /// silu(gate) ⊙ up, silu(g) = g·sigmoid(g)
  public static func swiGLU(gate: Matrix, up: Matrix) -> Matrix { gate.zip(up) { $0 * sigmoid($0) * $1 } }

  /// silu'(g) = s + g·s·(1 - s), s = sigmoid(g)
  public static func swiGLUBackward(_ dOut: Matrix, gate: Matrix, up: Matrix) -> (dGate: Matrix, dUp: Matrix) {
    let slope = gate.map { g in
      let s = sigmoid(g)
      return s + g * s * (1 - s)
    }
    return (dOut.zip(up, *).zip(slope, *), dOut.zip(gate) { $0 * $1 * sigmoid($1) })
  }

  public static func maskGroups(_ x: Matrix, by mask: Matrix) -> Matrix {
    var out = x
    let width = x.columns / mask.columns
    for row in 0..<x.rows {
      for column in 0..<x.columns { out[row, column] = x[row, column] * mask[mask.rows == 1 ? 0 : row, column / width] }
    }
    return out
  }

  public static func maskGroupsBackward(_ dOut: Matrix, x: Matrix, mask: Matrix) -> (dx: Matrix, dMask: Matrix) {
    var dMask = Matrix(mask.rows, mask.columns)
    let width = x.columns / mask.columns
    for row in 0..<x.rows {
      for column in 0..<x.columns { dMask[mask.rows == 1 ? 0 : row, column / width] += dOut[row, column] * x[row, column] }
    }
    return (maskGroups(dOut, by: mask), dMask)
  }
}

extension ReferenceBackend {
  public func swiGLU(gate: Tensor, up: Tensor, into out: Tensor) {
    Check.swiGLU(gate, up, out)
    store(Definition.swiGLU(gate: load(gate), up: load(up)), into: out)
  }

  public func swiGLUBackward(_ dOut: Tensor, gate: Tensor, up: Tensor, dGate: Tensor, dUp: Tensor) {
    Check.swiGLU(dOut, gate, up, dGate, dUp)
    let result = Definition.swiGLUBackward(load(dOut), gate: load(gate), up: load(up))
    store(result.dGate, into: dGate)
    store(result.dUp, into: dUp)
  }

  public func maskGroups(_ x: Tensor, by mask: Tensor, into out: Tensor) {
    Check.maskGroups(x, by: mask, into: out)
    store(Definition.maskGroups(load(x), by: load(mask)), into: out)
  }

  public func maskGroupsBackward(_ dOut: Tensor, x: Tensor, mask: Tensor, dx: Tensor, dMask: Tensor?) {
    Check.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
    let result = Definition.maskGroupsBackward(load(dOut), x: load(x), mask: load(mask))
    store(result.dx, into: dx)
    if let dMask { store(load(dMask).zip(result.dMask, +), into: dMask) }
  }
}
