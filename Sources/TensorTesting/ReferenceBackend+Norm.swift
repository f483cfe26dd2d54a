import TensorCore

extension Definition {
  public static func rmsNorm(_ x: Matrix, weight: Matrix, epsilon: Double) -> (out: Matrix, inverseRMS: Matrix) {
    var inverseRMS = Matrix(x.rows, 1)
    for row in 0..<x.rows {
      let meanSquare = x.row(row).reduce(0) { $0 + $1 * $1 } / Double(x.columns)
      inverseRMS[row, 0] = 1 / (meanSquare + epsilon).squareRoot()
    }
    var out = x
    for row in 0..<x.rows {
      for column in 0..<x.columns { out[row, column] = x[row, column] * inverseRMS[row, 0] * weight[0, column] }
    }
    return (out, inverseRMS)
  }

  /// With r = inverseRMS and g = dOut ⊙ weight: dx = r·(g - x·r²·mean(g ⊙ x)), dWeight = Σ_n dOut ⊙ x·r.
  public static func rmsNormBackward(_ dOut: Matrix, x: Matrix, weight: Matrix, inverseRMS: Matrix) -> (dx: Matrix, dWeight: Matrix) {
    var (dx, dWeight) = (x, Matrix(1, x.columns))
    for row in 0..<x.rows {
      let r = inverseRMS[row, 0]
      var mean = 0.0
      for column in 0..<x.columns { mean += dOut[row, column] * weight[0, column] * x[row, column] / Double(x.columns) }
      for column in 0..<x.columns {
        dx[row, column] = r * (dOut[row, column] * weight[0, column] - x[row, column] * r * r * mean)
        dWeight[0, column] += dOut[row, column] * x[row, column] * r
      }
    }
    return (dx, dWeight)
  }
}

extension ReferenceBackend {
  public func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, into out: Tensor, inverseRMS: Tensor) {
    Check.rmsNorm(x, weight: weight, into: out, inverseRMS: inverseRMS)
    let result = Definition.rmsNorm(load(x), weight: load(weight), epsilon: Double(epsilon))
    store(result.out, into: out)
    store(result.inverseRMS, into: inverseRMS)
  }

  public func rmsNormBackward(_ dOut: Tensor, x: Tensor, weight: Tensor, inverseRMS: Tensor, dx: Tensor, dWeight: Tensor?) {
    Check.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    let result = Definition.rmsNormBackward(load(dOut), x: load(x), weight: load(weight), inverseRMS: load(inverseRMS))
    store(result.dx, into: dx)
    if let dWeight { store(load(dWeight).zip(result.dWeight, +), into: dWeight) }
  }
}
