import Glibc
import TensorCore

extension OpCatalogue {
  static var ropes: [OpCase] {
    var cases: [OpCase] = []
    for interleaved in [false, true] {
      for inverse in [false, true] {
        for (rows, heads, headDim) in [(1, 1, 2), (7, 3, 6), (41, 8, 16), (5, 2, 64), (3, 1, 128), (0, 4, 8), (9, 5, 48)] {
          cases.append(rope(rows, heads: heads, headDim, interleaved: interleaved, inverse: inverse))
        }
      }
    }
    cases.append(rope(7, heads: 2, 64, farthest: 131_071))
    return cases
  }

  static var mixedRopes: [OpCase] {
    var cases: [OpCase] = []
    for interleaved in [false, true] {
      for (rows, heads, headDim) in [(1, 1, 2), (7, 3, 6), (41, 8, 16), (5, 2, 64), (3, 1, 128), (0, 4, 8), (9, 5, 48)] {
        for inverse in [false, true] {
          for type in [DType.bf16, .f32] {
            cases.append(rope(rows, heads: heads, headDim, interleaved: interleaved, inverse: inverse, in: type, to: .bf16))
          }
        }
      }
    }
    return cases + [DType.bf16, .f32].map { rope(7, heads: 2, 64, farthest: 131_071, in: $0, to: .bf16) }
  }

  static func rope(
    _ rows: Int, heads: Int, _ headDim: Int, interleaved: Bool = false, inverse: Bool = false, farthest: Int = 511, in type: DType = .f32,
    to outType: DType = .f32
  ) -> OpCase {
    let shape = Shape(rows, heads * headDim)
    let variant = (interleaved ? " interleaved" : "") + (inverse ? " inverse" : "") + (farthest > 10_000 ? " far" : "")
    let tolerance =
      farthest > 10_000
      ? Tolerance(1e-4, "position·frequency is one f32 product, as in the models' own code: 131071·2^-24 radians off")
      : Tolerance(1e-9, "position·frequency is one f32 product: 511·2^-24 radians off")
    return OpCase(
      "rope" + variant + (type == outType ? suffix(type) : suffix(type, outType)), group: "Rope",
      shapes: "\(shape) heads of \(headDim)", tolerance: tolerance, bytes: shape.bytes(type) + shape.bytes(outType),
      flops: 3 * shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", rows, heads * headDim, type)
      let positions = try arguments.input("positions", (0..<rows).map { $0 == 0 ? farthest : ($0 - 1) * 37 % (farthest + 1) })
      let frequencies = try arguments.input(
        "frequencies", Matrix(1, headDim / 2, (0..<headDim / 2).map { Double(Float(pow(10_000, -2 * Double($0) / Double(headDim)))) }))
      let out = try arguments.output("out", rows, heads * headDim, outType)
      return {
        arguments.backend.rope(
          x, positions: positions, frequencies: frequencies, RopeShape(headDim: headDim, interleaved: interleaved), inverse: inverse,
          into: out)
      }
    }
  }
}
