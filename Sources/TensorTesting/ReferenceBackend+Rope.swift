import Glibc
import TensorCore

extension Definition {
  /// Turns each pair (a, b) of each head by the angle position·frequency: (a·cos - b·sin, a·sin + b·cos).
  public static func rope(_ x: Matrix, positions: [Int], frequencies: Matrix, _ shape: RopeShape, inverse: Bool) -> Matrix {
    var out = x
    let half = shape.headDim / 2
    for row in 0..<x.rows {
      for head in stride(from: 0, to: x.columns, by: shape.headDim) {
        for i in 0..<half {
          let angle = Double(positions[row]) * frequencies[0, i] * (inverse ? -1 : 1)
          let first = head + (shape.interleaved ? 2 * i : i)
          let second = head + (shape.interleaved ? 2 * i + 1 : i + half)
          let (a, b) = (x[row, first], x[row, second])
          out[row, first] = a * cos(angle) - b * sin(angle)
          out[row, second] = a * sin(angle) + b * cos(angle)
        }
      }
    }
    return out
  }
}

extension ReferenceBackend {
  public func rope(_ x: Tensor, positions: Tensor, frequencies: Tensor, _ shape: RopeShape, inverse: Bool, into out: Tensor) {
    Check.rope(x, positions: positions, frequencies: frequencies, shape, into: out)
    store(
      Definition.rope(load(x), positions: loadIntegers(positions), frequencies: load(frequencies), shape, inverse: inverse), into: out)
  }
}
