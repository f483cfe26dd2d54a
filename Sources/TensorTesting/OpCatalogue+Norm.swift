import TensorCore

extension OpCatalogue {
  static var norms: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes + [(5, 288), (2, 4096)] {
      cases += [rmsNorm(rows, columns), rmsNormBackward(rows, columns, dWeight: true), rmsNormBackward(rows, columns, dWeight: false)]
    }
    cases += [rmsNorm(3, 384, scale: 1e4), rmsNorm(3, 384, scale: 1e-6), rmsNormBackward(301, 64, dWeight: true)]
    return cases
  }

  static var mixedNorms: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes + [(5, 288), (2, 4096), (9, 264)] {
      cases += [rmsNorm(rows, columns, to: .bf16), rmsNormBackward(rows, columns, dWeight: true, in: .bf16)]
      cases.append(rmsNormBackward(rows, columns, dWeight: false, in: .bf16))
    }
    return cases + [rmsNorm(3, 384, scale: 1e4, to: .bf16), rmsNormBackward(301, 64, dWeight: true, in: .bf16)]
  }

  static func rmsNorm(_ rows: Int, _ columns: Int, scale: Float = 1, to type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "rmsNorm" + (scale == 1 ? "" : " scale \(scale)") + (type == .f32 ? "" : " to \(type.name)"), group: "Norm", shapes: "\(shape)",
      tolerance: .sum, bytes: shape.floatBytes + shape.bytes(type), flops: 4 * shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", arguments.random.matrix(rows, columns, scale: scale))
      let weight = try arguments.input("weight", 1, columns)
      let (out, inverseRMS) = (try arguments.output("out", rows, columns, type), try arguments.output("inverseRMS", rows, 1))
      return { arguments.backend.rmsNorm(x, weight: weight, epsilon: 1e-5, into: out, inverseRMS: inverseRMS) }
    }
  }

  static func rmsNormBackward(_ rows: Int, _ columns: Int, dWeight: Bool, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "rmsNormBackward" + (dWeight ? "" : " without dWeight") + suffix(type), group: "Norm", shapes: "\(shape)",
      tolerance: Tolerance(1e-12, "f32 row sums; with one column dx is the small difference of two terms of size 1", absolute: 1),
      bytes: 2 * shape.floatBytes + shape.bytes(type), flops: 9 * shape.count
    ) { arguments throws(BackendError) in
      let (x, weight) = (arguments.random.matrix(rows, columns), arguments.random.matrix(1, columns))
      let dOut = try arguments.input("dOut", rows, columns, type)
      let inverseRMS = try arguments.input("inverseRMS", Definition.rmsNorm(x, weight: weight, epsilon: 1e-5).inverseRMS)
      let (xTensor, weightTensor) = (try arguments.input("x", x), try arguments.input("weight", weight))
      let dx = try arguments.output("dx", rows, columns)
      let dWeight = dWeight ? try arguments.update("dWeight", arguments.random.matrix(1, columns)) : nil
      return {
        arguments.backend.rmsNormBackward(dOut, x: xTensor, weight: weightTensor, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
      }
    }
  }
}
