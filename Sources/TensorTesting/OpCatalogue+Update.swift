import TensorCore

extension OpCatalogue {
  static var updates: [OpCase] {
    var cases: [OpCase] = [ditherings(.bf16), ditherings(.f16)]
    for (rows, columns) in oddShapes {
      cases += [adamW(rows, columns, step: 1), adamW(rows, columns, step: 3), adamW(rows, columns, step: 1000)]
      cases += [adamW8bit(rows, columns, step: 1), adamW8bit(rows, columns, step: 3)]
      for dtype in [DType.f32, .f16, .bf16] {
        cases += [adamW(rows, columns, step: 3, dtype, master: true), adamW8bit(rows, columns, step: 3, dtype, master: true)]
      }
      for dtype in [DType.f16, .bf16] {
        for rounding in [AdamW.Rounding.nearest, stochastic] {
          cases += [adamW(rows, columns, step: 3, dtype, rounding: rounding), adamW8bit(rows, columns, step: 3, dtype, rounding: rounding)]
        }
      }
    }
    return cases
  }

  static let stochastic = AdamW.Rounding.stochastic(seed: 3)

  static func adamW(
    _ rows: Int, _ columns: Int, step: Int, _ dtype: DType = .f32, master: Bool = false, rounding: AdamW.Rounding = .nearest
  ) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "adamW step \(step)" + variant(master, rounding), group: "Update", shapes: "\(shape)", dtype: dtype, tolerance: .step,
      bytes: 5 * shape.floatBytes + bytes(shape, dtype, master), flops: 14 * shape.count
    ) { arguments throws(BackendError) in
      // Moments as an earlier step leaves them; the first step starts from zeros.
      let moments = arguments.random.matrix(rows, columns, scale: step == 1 ? 0 : 0.01)
      let first = try arguments.update("first", moments)
      let second = try arguments.update("second", moments.map { Double(Float($0 * $0 * 3 + (step == 1 ? 0 : 1e-6))) })
      let weights = try Weights(rows, columns, dtype, master: master, in: arguments)
      let update = AdamW(rate: 1e-2, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, gradientScale: 0.5, step: step, rounding: rounding)
      return {
        arguments.backend.adamW(
          parameter: weights.parameter, gradient: weights.gradient, first: first, second: second, master: weights.master, update)
      }
    }
  }

  static func adamW8bit(
    _ rows: Int, _ columns: Int, step: Int, _ dtype: DType = .f32, master: Bool = false, rounding: AdamW.Rounding = .nearest
  ) -> OpCase {
    let shape = Shape(rows, columns)
    let blocks = BlockMoment.blocks(shape)
    // The scales, as the codes, are to be equal: all that is computed without a square root.
    let tolerance = Tolerance(Tolerance.step.limit, Tolerance.step.reason, limits: ["first scales": 0, "second scales": 0])
    return OpCase(
      "adamW8bit step \(step)" + variant(master, rounding), group: "Update", shapes: "\(shape)", dtype: dtype, tolerance: tolerance,
      bytes: shape.floatBytes + 4 * shape.count + 16 * blocks + bytes(shape, dtype, master), flops: 60 * shape.count
    ) { arguments throws(BackendError) in
      func moment(_ name: String, scale: Double) throws(BackendError) -> BlockMoment {
        // Any byte is the code of something.
        let codes = (0..<blocks * BlockMoment.elements).map { _ in UInt8(truncatingIfNeeded: arguments.random.next() >> 32) }
        let scales = arguments.random.matrix(blocks, 1).map { step == 1 ? 0 : abs($0) * scale }
        return BlockMoment(
          codes: try arguments.update("\(name) codes", packed: codes, Shape(blocks, BlockMoment.elements / 4)),
          scales: try arguments.update("\(name) scales", scales))
      }
      let (first, second) = (try moment("first", scale: 0.03), try moment("second", scale: 0.001))
      let weights = try Weights(rows, columns, dtype, master: master, in: arguments)
      let update = AdamW(rate: 1e-2, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, gradientScale: 0.5, step: step, rounding: rounding)
      return {
        arguments.backend.adamW8bit(
          parameter: weights.parameter, gradient: weights.gradient, first: first, second: second, master: weights.master, update)
      }
    }
  }

  /// Stochastic rounding alone, of values all over the range: with beta 0 and a gradient of ±1 the step is the rate to the last bit, so that
  /// every backend has the same f32 to round and has to find the same bits.
  static func ditherings(_ dtype: DType) -> OpCase {
    let (rows, columns) = (83, 257)
    let shape = Shape(rows, columns)
    return OpCase(
      "adamW roundings", group: "Update", shapes: "\(shape)", dtype: dtype, tolerance: .exact, bytes: 8 * shape.count,
      flops: 14 * shape.count
    ) { arguments throws(BackendError) in
      let exponents = (0..<shape.count).map { _ in Int(arguments.random.next() % 40) - 28 }
      let weights = Matrix(rows, columns, exponents.map { Double(sign: .plus, exponent: $0, significand: Double(arguments.random.unit())) })
      let signs = Matrix(rows, columns, exponents.map { $0 % 2 == 0 ? 1 : -1 })
      let gradient = try arguments.input("gradient", signs)
      let (first, second) = (try arguments.update("first", weights), try arguments.update("second", weights.map { $0 * $0 }))
      let parameter = try arguments.update("parameter", weights, dtype)
      let update = AdamW(rate: 0x1.234568p-18, beta1: 0, beta2: 0, epsilon: 0, step: 1, rounding: stochastic)
      return {
        arguments.backend.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: nil, update)
      }
    }
  }

  private static func variant(_ master: Bool, _ rounding: AdamW.Rounding) -> String {
    (master ? " with master" : "") + (rounding == .nearest ? "" : " stochastic")
  }

  /// Of the parameter and its master, read and written.
  private static func bytes(_ shape: Shape, _ dtype: DType, _ master: Bool) -> Int {
    master ? 2 * shape.floatBytes + shape.bytes(dtype) : 2 * shape.bytes(dtype)
  }
}

extension Tolerance {
  fileprivate static let step = Tolerance(1e-13, "a dozen f32 roundings, a square root and a division per value")
}

/// What a step changes, and its gradient, of which some elements are exactly 0.
private struct Weights {
  let parameter: Tensor, master: Tensor?, gradient: Tensor

  init(_ rows: Int, _ columns: Int, _ dtype: DType, master: Bool, in arguments: OpArguments) throws(BackendError) {
    let weights = arguments.random.matrix(rows, columns)
    gradient = try arguments.input("gradient", arguments.random.matrix(rows, columns, scale: 0.1).map { abs($0) < 0.02 ? 0 : $0 })
    self.master = master ? try arguments.update("master", weights) : nil
    parameter = master ? try arguments.output("parameter", rows, columns, dtype) : try arguments.update("parameter", weights, dtype)
  }
}
