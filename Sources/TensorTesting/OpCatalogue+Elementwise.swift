import TensorCore

extension OpCatalogue {
  static var elementwise: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes {
      for shared in [false, true] {
        for inPlace in [false, true] {
          cases.append(add(rows, columns, shared: shared, inPlace: inPlace))
          cases.append(multiply(rows, columns, shared: shared, inPlace: inPlace))
        }
      }
      cases += [addScaled(rows, columns), sigmoid(rows, columns), sigmoid(rows, columns, inPlace: true), fill(rows, columns, .f32)]
      cases += [fill(rows, columns, .f16), fill(rows, columns, .bf16)]
      cases += [dropout(rows, columns), dropout(rows, columns, inPlace: true)]
      for from in [DType.f32, .f16, .bf16, .q8_0, .q4_K] {
        for to in [DType.f32, .f16, .bf16] { cases.append(copy(rows, columns, from, to)) }
      }
      cases.append(copy(rows, columns, .i32, .i32))
    }
    cases += [copy(5, 512, .q8_0, .q8_0), copy(5, 512, .q4_K, .q4_K), sigmoidExtremes()]
    for from in [DType.f16, .bf16] { for to in [DType.f32, .f16, .bf16] { cases.append(copyEveryPattern(from, to)) } }
    for to in [DType.f16, .bf16] { cases.append(copyRoundings(to)) }
    return cases
  }

  static var mixedElementwise: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes + [(9, 264)] {
      for shared in [false, true] {
        let mixes: [Mix] = [(.bf16, .bf16, .bf16), (.bf16, .f32, .bf16), (.f32, .bf16, .f32)]
        for (index, mix) in mixes.enumerated() {
          for inPlace in [false, true] {
            cases.append(add(rows, columns, shared: shared, inPlace: inPlace, mix))
            if index < 2 { cases.append(multiply(rows, columns, shared: shared, inPlace: inPlace, mix)) }
          }
        }
      }
      cases += [addScaled(rows, columns, .bf16, .bf16), addScaled(rows, columns, .bf16, .f32)]
      cases += [sigmoid(rows, columns, in: .bf16), sigmoid(rows, columns, inPlace: true, in: .bf16)]
      cases += [dropout(rows, columns, in: .bf16), dropout(rows, columns, inPlace: true, in: .bf16)]
    }
    return cases + [sigmoidExtremes(in: .bf16)]
  }

  /// Types of a, b and out.
  typealias Mix = (a: DType, b: DType, out: DType)

  static func add(
    _ rows: Int, _ columns: Int, shared: Bool = false, inPlace: Bool = false, _ mix: Mix = (.f32, .f32, .f32)
  ) -> OpCase {
    binary("add", rows, columns, shared, inPlace, mix) { $0.add($1, $2, into: $3) }
  }

  static func multiply(
    _ rows: Int, _ columns: Int, shared: Bool = false, inPlace: Bool = false, _ mix: Mix = (.f32, .f32, .f32)
  ) -> OpCase {
    binary("multiply", rows, columns, shared, inPlace, mix) { $0.multiply($1, $2, into: $3) }
  }

  private static func binary(
    _ name: String, _ rows: Int, _ columns: Int, _ shared: Bool, _ inPlace: Bool, _ mix: Mix,
    _ op: @escaping @Sendable (any ComputeBackend, Tensor, Tensor, Tensor) -> Void
  ) -> OpCase {
    let shape = Shape(rows, columns)
    let variant = (shared ? " row" : "") + (inPlace ? " in place" : "")
    return OpCase(
      name + variant + suffix(mix.a, mix.b, mix.out), group: "Elementwise", shapes: "\(shape)", tolerance: .rounding,
      bytes: shape.bytes(mix.a) + (shared ? 0 : shape.bytes(mix.b)) + shape.bytes(mix.out), flops: shape.count
    ) { arguments throws(BackendError) in
      let values = arguments.random.matrix(rows, columns)
      let b = try arguments.input("b", shared ? 1 : rows, columns, mix.b)
      let a = inPlace ? try arguments.update("out", values, mix.a) : try arguments.input("a", values, mix.a)
      let out = inPlace ? a : try arguments.output("out", rows, columns, mix.out)
      return { op(arguments.backend, a, b, out) }
    }
  }

  static func addScaled(_ rows: Int, _ columns: Int, _ typeOfX: DType = .f32, _ typeOfY: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "addScaled" + suffix(typeOfX, typeOfY), group: "Elementwise", shapes: "\(shape)", tolerance: .rounding,
      bytes: shape.bytes(typeOfX) + 2 * shape.bytes(typeOfY), flops: 2 * shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", rows, columns, typeOfX)
      let y = try arguments.update("y", arguments.random.matrix(rows, columns), typeOfY)
      return { arguments.backend.addScaled(x, by: -0.37, into: y) }
    }
  }

  static func sigmoid(_ rows: Int, _ columns: Int, inPlace: Bool = false, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      (inPlace ? "sigmoid in place" : "sigmoid") + suffix(type), group: "Elementwise", shapes: "\(shape)", tolerance: .exponential,
      bytes: 2 * shape.bytes(type), flops: 3 * shape.count
    ) { arguments throws(BackendError) in
      let values = arguments.random.matrix(rows, columns, scale: 4)
      let x = inPlace ? try arguments.update("out", values, type) : try arguments.input("x", values, type)
      let out = inPlace ? x : try arguments.output("out", rows, columns, type)
      return { arguments.backend.sigmoid(x, into: out) }
    }
  }

  /// The backward is the same call on the gradient.
  static func dropout(_ rows: Int, _ columns: Int, inPlace: Bool = false, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      (inPlace ? "dropout in place" : "dropout") + suffix(type), group: "Elementwise", shapes: "\(shape)", tolerance: .exact,
      bytes: 2 * shape.bytes(type), flops: shape.count
    ) { arguments throws(BackendError) in
      let values = arguments.random.matrix(rows, columns)
      let x = inPlace ? try arguments.update("out", values, type) : try arguments.input("x", values, type)
      let out = inPlace ? x : try arguments.output("out", rows, columns, type)
      return { arguments.backend.dropout(x, keeping: 0.7, seed: 5, into: out) }
    }
  }

  static func sigmoidExtremes(in type: DType = .f32) -> OpCase {
    let values: [Double] = [0, -0.0, 1e4, -1e4, 88, -88, 89, -89, 104, -104, .infinity, -.infinity, .nan, 1e-30, -1e-30, 17, -17, 1, -1]
    return OpCase(
      "sigmoid extremes" + suffix(type), group: "Elementwise", shapes: "\(Shape(1, values.count))", tolerance: .exponential,
      bytes: 2 * type.block.bytes * values.count, flops: 3 * values.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", Matrix(1, values.count, values), type)
      let out = try arguments.output("out", 1, values.count, type)
      return { arguments.backend.sigmoid(x, into: out) }
    }
  }

  static func fill(_ rows: Int, _ columns: Int, _ dtype: DType) -> OpCase {
    OpCase(
      "fill", group: "Elementwise", shapes: "\(Shape(rows, columns))", dtype: dtype, tolerance: .exact,
      bytes: rows * dtype.rowBytes(columns: columns), flops: 0
    ) { arguments throws(BackendError) in
      let out = try arguments.output("out", rows, columns, dtype)
      return { arguments.backend.fill(out, with: 1.0 / 3) }
    }
  }

  static func copy(_ rows: Int, _ columns: Int, _ from: DType, _ to: DType) -> OpCase {
    let tolerance = from.isDense || to == from ? Tolerance.exact : .decoding
    return OpCase(
      "copy to \(to.name)", group: "Copy", shapes: "\(Shape(rows, columns))", dtype: from, tolerance: tolerance,
      bytes: rows * (from.rowBytes(columns: columns) + to.rowBytes(columns: columns)), flops: 0
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", rows, columns, from)
      let out = try arguments.output("out", rows, columns, to)
      return { arguments.backend.copy(x, into: out) }
    }
  }

  /// All 65,536 bit patterns of a 2-byte type: subnormals, infinities and every NaN among them.
  static func copyEveryPattern(_ from: DType, _ to: DType) -> OpCase {
    OpCase(
      "copy every pattern to \(to.name)", group: "Copy", shapes: "\(Shape(256, 256))", dtype: from, tolerance: .exact,
      bytes: 65_536 * (2 + to.block.bytes), flops: 0
    ) { arguments throws(BackendError) in
      let patterns = (0..<65_536).flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
      let x = try arguments.input("x", bytes: patterns, from, Shape(256, 256))
      let out = try arguments.output("out", 256, 256, to)
      return { arguments.backend.copy(x, into: out) }
    }
  }

  /// f32 values that lie exactly between two values of the narrow type, one bit to either side of it, and at the ends of its range.
  static func copyRoundings(_ to: DType) -> OpCase {
    OpCase(
      "copy roundings to \(to.name)", group: "Copy", shapes: "\(Shape(321, 257))", tolerance: .exact, bytes: 321 * 257 * 6, flops: 0
    ) { arguments throws(BackendError) in
      // bf16 drops 16 fraction bits of an f32, f16 drops 13; more where it is subnormal, which the random exponents cover.
      let dropped: UInt32 = to == .bf16 ? 16 : 13
      let half: UInt32 = 1 << (dropped - 1)
      let tails: [UInt32] = [0, half, half - 1, half + 1, 2 * half - 1, 1]
      let values = (0..<321 * 257).map { i -> Double in
        var bits = UInt32(truncatingIfNeeded: arguments.random.next())
        if i % 3 != 0 { bits = bits & 0x807f_ffff | UInt32(100 + i % 50) << 23 }
        if i % 3 == 2 { bits = bits & ~(2 * half - 1) | tails[i / 3 % tails.count] }
        return Double(Float(bitPattern: bits))
      }
      let x = try arguments.input("x", Matrix(321, 257, values))
      let out = try arguments.output("out", 321, 257, to)
      return { arguments.backend.copy(x, into: out) }
    }
  }
}
