import TensorCore

/// A backward op on a device against differences of its forward op on the same device: no other implementation is believed.
///
/// Along a random direction d, f'(x)·d = (8(f(x + hd) - f(x - hd)) - (f(x + 2hd) - f(x - 2hd))) / 12h + O(h⁴), with the loss
/// f = Σ out ⊙ dOut summed in Double from the device's outputs.
public struct GradientCheck: Sendable {
  /// Places inputs on the backend and returns the output the loss is of; asked for gradients, also those of the inputs, by name.
  typealias Function = @Sendable (_ inputs: [Tensor], _ dOut: Tensor, _ wanted: Bool) throws(BackendError) -> (Tensor, [Tensor])

  public let name: String
  private let shapes: [Shape]
  private let out: Shape
  private let function: Function

  private init(_ name: String, _ shapes: [Shape], out: Shape, _ function: @escaping Function) {
    (self.name, self.shapes, self.out, self.function) = (name, shapes, out, function)
  }

  /// Rounding of the outputs to 2⁻²⁴ over the step leaves about 1e-5.
  private static let tolerance = 3e-4
  private static let step = 0x1p-6

  /// The largest error of the inputs' derivatives, relative to their size, and what is wrong.
  func run(on backend: any ComputeBackend, seed: UInt64) throws(BackendError) -> (error: Double, complaints: [String]) {
    var random = RandomGenerator(seed: seed)
    let inputs = shapes.map { random.matrix($0.rows, $0.columns) }
    let weights = random.matrix(out.rows, out.columns)
    let dOut = try tensor(weights, backend)
    let gradients = try function(try tensors(inputs, backend), dOut, true).1
    var (worst, complaints) = (0.0, [String]())
    for (index, gradient) in gradients.enumerated() {
      let direction = random.matrix(inputs[index].rows, inputs[index].columns)
      func loss(_ steps: Double) throws(BackendError) -> Double {
        var moved = inputs
        moved[index] = moved[index].zip(direction) { $0 + steps * GradientCheck.step * $1 }
        let values = try function(try tensors(moved, backend), dOut, false).0.floats()
        return zip(values, weights.values).reduce(0) { $0 + Double($1.0) * $1.1 }
      }
      let far = try loss(2) - loss(-2)
      let difference = (8 * (try loss(1) - loss(-1)) - far) / (12 * GradientCheck.step)
      let values = try gradient.floats()
      let formula = zip(values, direction.values).reduce(0) { $0 + Double($1.0) * $1.1 }
      // The size such a sum of terms of random signs has.
      let size = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let error = abs(formula - difference) / max(size, 1e-3)
      if error.isFinite { worst = max(worst, error) }
      if !(error <= GradientCheck.tolerance) {
        complaints.append("gradient of input \(index): \(formula) along a direction, differences say \(difference)")
      }
    }
    return (worst, complaints)
  }

  private func tensor(_ matrix: Matrix, _ backend: any ComputeBackend) throws(BackendError) -> Tensor {
    try Tensor(matrix.values.map { Float($0) }, rows: matrix.rows, columns: matrix.columns, on: backend)
  }

  private func tensors(_ matrices: [Matrix], _ backend: any ComputeBackend) throws(BackendError) -> [Tensor] {
    var placed: [Tensor] = []
    for matrix in matrices { placed.append(try tensor(matrix, backend)) }
    return placed
  }
}

extension GradientCheck {
  public static let all = [
    matmul, rmsNorm, rope, swiGLU, dropout, attention, maskGroups, crossEntropy, klDivergence, linearCrossEntropy,
  ]

  private static let matmul = GradientCheck("matmul", [Shape(37, 48), Shape(40, 48)], out: Shape(37, 40)) {
    inputs, dOut, wanted throws(BackendError) in
    let (x, weight) = (inputs[0], inputs[1])
    guard wanted else { return (try x.linear(weight), []) }
    let (dx, dWeight) = (try x.like(), try weight.like())
    x.backend.matmul(dOut, weight, transpose: .none, beta: 0, into: dx)
    x.backend.matmul(dOut, x, transpose: .left, beta: 0, into: dWeight)
    return (dx, [dx, dWeight])
  }

  private static let rmsNorm = GradientCheck("rmsNorm", [Shape(19, 96), Shape(1, 96)], out: Shape(19, 96)) {
    inputs, dOut, wanted throws(BackendError) in
    let (x, weight) = (inputs[0], inputs[1])
    let (out, inverseRMS) = (try x.like(), try Tensor(x.rows, 1, on: x.backend))
    x.backend.rmsNorm(x, weight: weight, epsilon: 0.1, into: out, inverseRMS: inverseRMS)
    guard wanted else { return (out, []) }
    let (dx, dWeight) = (try x.like(), try weight.like())
    x.backend.fill(dWeight, with: 0)
    x.backend.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS, dx: dx, dWeight: dWeight)
    return (out, [dx, dWeight])
  }

  private static let rope = GradientCheck("rope", [Shape(9, 64)], out: Shape(9, 64)) { inputs, dOut, wanted throws(BackendError) in
    let x = inputs[0]
    let positions = try Tensor((0..<9).map { Int32(7 * $0) }, on: x.backend)
    let frequencies = try Tensor([1, 0.5, 0.25, 0.125, 0.06, 0.03, 0.015, 0.007], rows: 1, columns: 8, on: x.backend)
    let shape = RopeShape(headDim: 16)
    guard wanted else { return (try x.rotated(positions: positions, frequencies: frequencies, shape), []) }
    let dx = try x.like()
    x.backend.rope(dOut, positions: positions, frequencies: frequencies, shape, inverse: true, into: dx)
    return (dx, [dx])
  }

  private static let swiGLU = GradientCheck("swiGLU", [Shape(17, 41), Shape(17, 41)], out: Shape(17, 41)) {
    inputs, dOut, wanted throws(BackendError) in
    let (gate, up) = (inputs[0], inputs[1])
    let out = try gate.like()
    gate.backend.swiGLU(gate: gate, up: up, into: out)
    guard wanted else { return (out, []) }
    let (dGate, dUp) = (try gate.like(), try up.like())
    gate.backend.swiGLUBackward(dOut, gate: gate, up: up, dGate: dGate, dUp: dUp)
    return (out, [dGate, dUp])
  }

  private static let dropout = GradientCheck("dropout", [Shape(17, 41)], out: Shape(17, 41)) { inputs, dOut, wanted throws(BackendError) in
    let (x, out) = (inputs[0], try inputs[0].like())
    x.backend.dropout(wanted ? dOut : x, keeping: 0.6, seed: 9, into: out)
    return (out, wanted ? [out] : [])
  }

  /// Grouped heads; a whole sequence, and the end of a longer one.
  private static let attention = GradientCheck("attention", [Shape(29, 128), Shape(41, 64), Shape(41, 64)], out: Shape(29, 128)) {
    inputs, dOut, wanted throws(BackendError) in
    let (q, k, v) = (inputs[0], inputs[1], inputs[2])
    let shape = AttentionShape(queryHeads: 4, keyHeads: 2, headDim: 32, scale: 0.2)
    let spans = Spans(
      queryStarts: try Tensor([0, 21, 29], on: q.backend), keyStarts: try Tensor([0, 21], on: q.backend),
      keyCounts: try Tensor([21, 20], on: q.backend), count: 2, longestQuery: 21)
    let (out, logSumExp) = (try q.like(), try Tensor(q.rows, shape.queryHeads, on: q.backend))
    q.backend.attention(q: q, k: k, v: v, spans, shape, into: out, logSumExp: logSumExp)
    guard wanted else { return (out, []) }
    let (dq, dk, dv) = (try q.like(), try k.like(), try v.like())
    q.backend.attentionBackward(dOut, q: q, k: k, v: v, out: out, logSumExp: logSumExp, spans, shape, dq: dq, dk: dk, dv: dv)
    return (out, [dq, dk, dv])
  }

  private static let maskGroups = GradientCheck("maskGroups", [Shape(13, 24), Shape(1, 6)], out: Shape(13, 24)) {
    inputs, dOut, wanted throws(BackendError) in
    let (x, mask) = (inputs[0], inputs[1])
    guard wanted else { return (try x.masked(by: mask), []) }
    let (dx, dMask) = (try x.like(), try mask.like())
    x.backend.fill(dMask, with: 0)
    x.backend.maskGroupsBackward(dOut, x: x, mask: mask, dx: dx, dMask: dMask)
    return (dx, [dx, dMask])
  }

  /// dOut weighs each row's loss, which the gradient of the op does not know: rows are scaled afterwards.
  private static let crossEntropy = GradientCheck("crossEntropy", [Shape(11, 123)], out: Shape(11, 1)) {
    inputs, dOut, wanted throws(BackendError) in
    let logits = inputs[0]
    let targets = try Tensor((0..<11).map { Int32(11 * $0) }, on: logits.backend)
    let (losses, dLogits) = (try Tensor(11, 1, on: logits.backend), try logits.like())
    logits.backend.crossEntropy(logits: logits, targets: targets, scale: 1, into: losses, dLogits: dLogits)
    return (losses, wanted ? [try dLogits.scaledRows(by: dOut)] : [])
  }

  private static let klDivergence = GradientCheck("klDivergence", [Shape(11, 123)], out: Shape(11, 1)) {
    inputs, dOut, wanted throws(BackendError) in
    let q = inputs[0]
    var random = RandomGenerator(seed: 5)
    let p = try Tensor(random.matrix(11, 123).values.map { Float($0) }, rows: 11, columns: 123, on: q.backend)
    let (divergences, dQ) = (try Tensor(11, 1, on: q.backend), try q.like())
    q.backend.klDivergence(of: p, from: q, scale: 1, into: divergences, dQ: dQ)
    return (divergences, wanted ? [try dQ.scaledRows(by: dOut)] : [])
  }

  /// The loss is the plain sum: this op's gradients cannot be told rows apart.
  private static let linearCrossEntropy = GradientCheck("linearCrossEntropy", [Shape(9, 32), Shape(71, 32)], out: Shape(1, 1)) {
    inputs, dOut, wanted throws(BackendError) in
    let (hidden, weight) = (inputs[0], inputs[1])
    let targets = try Tensor((0..<9).map { Int32(7 * $0) }, on: hidden.backend)
    let losses = try Tensor(9, 1, on: hidden.backend)
    let scale = try dOut.floats()[0]
    let dHidden = wanted ? try hidden.like() : nil
    let dWeight = wanted ? try weight.like() : nil
    if let dWeight { hidden.backend.fill(dWeight, with: 0) }
    try hidden.backend.linearCrossEntropy(
      hidden: hidden, weight: weight, targets: targets, scale: scale, rowsPerChunk: 4, into: losses, dHidden: dHidden, dWeight: dWeight)
    let sum = try Tensor(1, 1, on: hidden.backend)
    hidden.backend.columnSums(losses, beta: 0, into: sum)
    return (sum, wanted ? [dHidden!, dWeight!] : [])
  }
}

extension Tensor {
  /// On the host: row n times factors[n].
  fileprivate func scaledRows(by factors: Tensor) throws(BackendError) -> Tensor {
    let (values, factors) = (try floats(), try factors.floats())
    return try Tensor(values.indices.map { values[$0] * factors[$0 / columns] }, rows: rows, columns: columns, on: backend)
  }
}
