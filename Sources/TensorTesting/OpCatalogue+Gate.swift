import TensorCore

extension OpCatalogue {
  static var gates: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes { cases += [swiGLU(rows, columns), swiGLUBackward(rows, columns)] }
    cases += [swiGLU(3, 41, scale: 1e4), swiGLUBackward(3, 41, scale: 1e4)]
    for (rows, groups, width) in [(1, 1, 1), (7, 41, 1), (41, 8, 16), (5, 3, 64), (2, 257, 1), (0, 4, 8), (9, 7, 5)] {
      for perRow in [false, true] {
        cases.append(maskGroups(rows, groups, width, perRow: perRow))
        for dMask in [false, true] { cases.append(maskGroupsBackward(rows, groups, width, perRow: perRow, dMask: dMask)) }
      }
    }
    return cases
  }

  static var mixedGates: [OpCase] {
    var cases: [OpCase] = []
    for (rows, columns) in oddShapes + [(9, 264)] { cases += [swiGLU(rows, columns, in: .bf16), swiGLUBackward(rows, columns, in: .bf16)] }
    cases += [swiGLU(3, 41, scale: 1e4, in: .bf16), swiGLUBackward(3, 41, scale: 1e4, in: .bf16)]
    for (rows, groups, width) in [(1, 1, 1), (7, 41, 1), (41, 8, 16), (5, 3, 64), (2, 257, 1), (0, 4, 8), (9, 7, 5)] {
      for perRow in [false, true] {
        cases.append(maskGroups(rows, groups, width, perRow: perRow, in: .bf16))
        for dMask in [false, true] { cases.append(maskGroupsBackward(rows, groups, width, perRow: perRow, dMask: dMask, in: .bf16)) }
      }
    }
    return cases
  }

  static func swiGLU(_ rows: Int, _ columns: Int, scale: Float = 3, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "swiGLU" + (scale > 100 ? " of large values" : "") + suffix(type), group: "Gate", shapes: "\(shape)", tolerance: .exponential,
      bytes: 3 * shape.bytes(type), flops: 5 * shape.count
    ) { arguments throws(BackendError) in
      let gate = try arguments.input("gate", arguments.random.matrix(rows, columns, scale: scale), type)
      let up = try arguments.input("up", rows, columns, type)
      let out = try arguments.output("out", rows, columns, type)
      return { arguments.backend.swiGLU(gate: gate, up: up, into: out) }
    }
  }

  static func swiGLUBackward(_ rows: Int, _ columns: Int, scale: Float = 3, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "swiGLUBackward" + (scale > 100 ? " of large values" : "") + suffix(type), group: "Gate", shapes: "\(shape)", tolerance: .exponential,
      bytes: 5 * shape.bytes(type), flops: 12 * shape.count
    ) { arguments throws(BackendError) in
      let gate = try arguments.input("gate", arguments.random.matrix(rows, columns, scale: scale), type)
      let (up, dOut) = (try arguments.input("up", rows, columns, type), try arguments.input("dOut", rows, columns, type))
      let (dGate, dUp) = (try arguments.output("dGate", rows, columns, type), try arguments.output("dUp", rows, columns, type))
      return { arguments.backend.swiGLUBackward(dOut, gate: gate, up: up, dGate: dGate, dUp: dUp) }
    }
  }

  private static func maskShapes(_ x: Shape, _ groups: Int, perRow: Bool) -> String { "\(x) by \(Shape(perRow ? x.rows : 1, groups))" }

  static func maskGroups(_ rows: Int, _ groups: Int, _ width: Int, perRow: Bool, in type: DType = .f32) -> OpCase {
    let shape = Shape(rows, groups * width)
    return OpCase(
      "maskGroups" + (perRow ? " per row" : "") + suffix(type), group: "Gate", shapes: maskShapes(shape, groups, perRow: perRow),
      tolerance: .rounding, bytes: 2 * shape.bytes(type), flops: shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", rows, groups * width, type)
      let mask = try arguments.input("mask", perRow ? rows : 1, groups)
      let out = try arguments.output("out", rows, groups * width, type)
      return { arguments.backend.maskGroups(x, by: mask, into: out) }
    }
  }

  static func maskGroupsBackward(
    _ rows: Int, _ groups: Int, _ width: Int, perRow: Bool, dMask: Bool, in type: DType = .f32
  ) -> OpCase {
    let shape = Shape(rows, groups * width)
    return OpCase(
      "maskGroupsBackward" + (perRow ? " per row" : "") + (dMask ? "" : " without dMask") + suffix(type), group: "Gate",
      shapes: maskShapes(shape, groups, perRow: perRow),
      tolerance: .sum, bytes: 3 * shape.bytes(type), flops: 3 * shape.count
    ) { arguments throws(BackendError) in
      let (dOut, x) = (try arguments.input("dOut", rows, groups * width, type), try arguments.input("x", rows, groups * width, type))
      let mask = try arguments.input("mask", perRow ? rows : 1, groups)
      let dx = try arguments.output("dx", rows, groups * width, type)
      let dMask = dMask ? try arguments.update("dMask", arguments.random.matrix(perRow ? rows : 1, groups)) : nil
      return { arguments.backend.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask) }
    }
  }
}
