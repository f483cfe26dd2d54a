import TensorCore

extension OpCatalogue {
  static var updates: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes {
      cases += [adamW(rows, columns, step: 1), adamW(rows, columns, step: 3), adamW(rows, columns, step: 1000)]
      for dtype in [DType.f32, .f16, .bf16] { cases.append(adamW(rows, columns, step: 3, dtype, master: true)) }
    }
    return cases
  }

  static func adamW(_ rows: Int, _ columns: Int, step: Int, _ dtype: DType = .f32, master: Bool = false) -> OpCase {
    let shape = Shape(rows, columns)
    let tolerance = Tolerance(1e-13, "a dozen f32 roundings, a square root and a division per value")
    return OpCase(
      "adamW step \(step)" + (master ? " with master" : ""), group: "Update", shapes: "\(shape)", dtype: dtype, tolerance: tolerance,
      bytes: 7 * shape.floatBytes + (master ? dtype.block.bytes * shape.count : 0), flops: 14 * shape.count
    ) { arguments throws(BackendError) in
      let weights = arguments.random.matrix(rows, columns)
      // Moments as an earlier step leaves them; the first step starts from zeros, and some gradients are exactly 0.
      let moments = arguments.random.matrix(rows, columns, scale: step == 1 ? 0 : 0.01)
      let gradients = arguments.random.matrix(rows, columns, scale: 0.1).map { abs($0) < 0.02 ? 0 : $0 }
      let gradient = try arguments.input("gradient", gradients)
      let first = try arguments.update("first", moments)
      let second = try arguments.update("second", moments.map { Double(Float($0 * $0 * 3 + (step == 1 ? 0 : 1e-6))) })
      let masterTensor = master ? try arguments.update("master", weights) : nil
      let parameter = master ? try arguments.output("parameter", rows, columns, dtype) : try arguments.update("parameter", weights)
      let update = AdamW(rate: 1e-2, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, gradientScale: 0.5, step: step)
      return {
        arguments.backend.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: masterTensor, update)
      }
    }
  }
}
