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

  static func swiGLU(_ rows: Int, _ columns: Int, scale: Float = 3) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "swiGLU" + (scale > 100 ? " of large values" : ""), group: "Gate", shapes: "\(shape)", tolerance: .exponential,
      bytes: 3 * shape.floatBytes, flops: 5 * shape.count
    ) { arguments throws(BackendError) in
      let gate = try arguments.input("gate", arguments.random.matrix(rows, columns, scale: scale))
      let up = try arguments.input("up", rows, columns)
      let out = try arguments.output("out", rows, columns)
      return { arguments.backend.swiGLU(gate: gate, up: up, into: out) }
    }
  }

  static func swiGLUBackward(_ rows: Int, _ columns: Int, scale: Float = 3) -> OpCase {
    let shape = Shape(rows, columns)
    return OpCase(
      "swiGLUBackward" + (scale > 100 ? " of large values" : ""), group: "Gate", shapes: "\(shape)", tolerance: .exponential,
      bytes: 5 * shape.floatBytes, flops: 12 * shape.count
    ) { arguments throws(BackendError) in
      let gate = try arguments.input("gate", arguments.random.matrix(rows, columns, scale: scale))
      let (up, dOut) = (try arguments.input("up", rows, columns), try arguments.input("dOut", rows, columns))
      let (dGate, dUp) = (try arguments.output("dGate", rows, columns), try arguments.output("dUp", rows, columns))
      return { arguments.backend.swiGLUBackward(dOut, gate: gate, up: up, dGate: dGate, dUp: dUp) }
    }
  }

  private static func maskShapes(_ x: Shape, _ groups: Int, perRow: Bool) -> String { "\(x) by \(Shape(perRow ? x.rows : 1, groups))" }

  static func maskGroups(_ rows: Int, _ groups: Int, _ width: Int, perRow: Bool) -> OpCase {
    let shape = Shape(rows, groups * width)
    return OpCase(
      "maskGroups" + (perRow ? " per row" : ""), group: "Gate", shapes: maskShapes(shape, groups, perRow: perRow), tolerance: .rounding,
      bytes: 2 * shape.floatBytes,
      flops: shape.count
    ) { arguments throws(BackendError) in
      let x = try arguments.input("x", rows, groups * width)
      let mask = try arguments.input("mask", perRow ? rows : 1, groups)
      let out = try arguments.output("out", rows, groups * width)
      return { arguments.backend.maskGroups(x, by: mask, into: out) }
    }
  }

  static func maskGroupsBackward(_ rows: Int, _ groups: Int, _ width: Int, perRow: Bool, dMask: Bool) -> OpCase {
    let shape = Shape(rows, groups * width)
    return OpCase(
      "maskGroupsBackward" + (perRow ? " per row" : "") + (dMask ? "" : " without dMask"), group: "Gate",
      shapes: maskShapes(shape, groups, perRow: perRow),
      tolerance: .sum, bytes: 3 * shape.floatBytes, flops: 3 * shape.count
    ) { arguments throws(BackendError) in
      let (dOut, x) = (try arguments.input("dOut", rows, groups * width), try arguments.input("x", rows, groups * width))
      let mask = try arguments.input("mask", perRow ? rows : 1, groups)
      let dx = try arguments.output("dx", rows, groups * width)
      let dMask = dMask ? try arguments.update("dMask", arguments.random.matrix(perRow ? rows : 1, groups)) : nil
      return { arguments.backend.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask) }
    }
  }
}
