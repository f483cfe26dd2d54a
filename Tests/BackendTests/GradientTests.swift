import TensorCore
import TensorTesting
import Testing

/// The reference's backward formulas against central differences of its forward formulas, both in Double:
/// f'(x) = (8(f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h + O(h⁴).
@Suite struct GradientTests {
  static let step = 1e-3
  /// h⁴ is 1e-12, and rounding 2^-53/h is 1e-13; some hundred terms and fifth derivatives of size 10 are left room for.
  static let tolerance = 2e-9

  /// Checks ∂loss/∂inputs[i] for every element of every input.
  private func check(
    _ inputs: [Matrix], _ gradients: [Matrix], sourceLocation: SourceLocation = #_sourceLocation, loss: ([Matrix]) -> Double
  ) {
    for (index, gradient) in gradients.enumerated() {
      #expect((gradient.rows, gradient.columns) == (inputs[index].rows, inputs[index].columns), sourceLocation: sourceLocation)
      for i in gradient.values.indices {
        func moved(_ steps: Double) -> Double {
          var changed = inputs
          changed[index].values[i] += steps * Self.step
          return loss(changed)
        }
        let numeric = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * Self.step)
        let error = abs(numeric - gradient.values[i])
        let limit = Self.tolerance * (1 + abs(numeric))
        #expect(
          error <= limit, "input \(index), element \(i): formula \(gradient.values[i]), differences \(numeric)",
          sourceLocation: sourceLocation)
        if !(error <= limit) { return }
      }
    }
  }

  /// Turns an output into a number whose gradient is `dOut`.
  private func dot(_ a: Matrix, _ b: Matrix) -> Double { zip(a.values, b.values).reduce(0) { $0 + $1.0 * $1.1 } }

  @Test("rmsNorm: dx and dWeight", arguments: [(1, 1), (3, 7), (5, 16)])
  func rmsNorm(rows: Int, columns: Int) {
    var random = RandomGenerator(seed: 1)
    let (x, weight, dOut) = (random.matrix(rows, columns), random.matrix(1, columns), random.matrix(rows, columns))
    let inverseRMS = Definition.rmsNorm(x, weight: weight, epsilon: 0.1).inverseRMS
    let result = Definition.rmsNormBackward(dOut, x: x, weight: weight, inverseRMS: inverseRMS)
    check([x, weight], [result.dx, result.dWeight]) { dot(dOut, Definition.rmsNorm($0[0], weight: $0[1], epsilon: 0.1).out) }
  }

  @Test("rope: turning back is the gradient", arguments: [false, true])
  func rope(interleaved: Bool) {
    var random = RandomGenerator(seed: 2)
    let (x, dOut, frequencies) = (random.matrix(3, 12), random.matrix(3, 12), random.matrix(1, 3))
    let shape = RopeShape(headDim: 6, interleaved: interleaved)
    let dx = Definition.rope(dOut, positions: [0, 5, 41], frequencies: frequencies, shape, inverse: true)
    check([x], [dx]) { dot(dOut, Definition.rope($0[0], positions: [0, 5, 41], frequencies: frequencies, shape, inverse: false)) }
  }

  @Test("swiGLU: dGate and dUp")
  func swiGLU() {
    var random = RandomGenerator(seed: 3)
    let (gate, up, dOut) = (random.matrix(3, 9, scale: 3), random.matrix(3, 9), random.matrix(3, 9))
    let result = Definition.swiGLUBackward(dOut, gate: gate, up: up)
    check([gate, up], [result.dGate, result.dUp]) { dot(dOut, Definition.swiGLU(gate: $0[0], up: $0[1])) }
  }

  /// Sequences as (queries, keys): packed ones, decoding, queries that see no key, no sequence at all.
  static let batches: [[(Int, Int)]] = [[(5, 5)], [(1, 7)], [(2, 3), (3, 3), (1, 4)], [(4, 2), (2, 2)], [(0, 2), (3, 5)], [(3, 0)]]

  @Test("attention: dq, dk and dv, grouped heads and unequal spans included", arguments: batches.indices, [true, false])
  func attention(batch: Int, causal: Bool) {
    for (queryHeads, keyHeads) in [(1, 1), (4, 2), (8, 1)] {
      var random = RandomGenerator(seed: 4)
      let shape = AttentionShape(queryHeads: queryHeads, keyHeads: keyHeads, headDim: 3, scale: 0.6, causal: causal)
      var (spans, queryRow, keyRow) = ([Definition.Span](), 0, 1)
      for (queries, keys) in Self.batches[batch] {
        spans.append(.init(queries: queryRow..<queryRow + queries, keys: keyRow..<keyRow + keys))
        (queryRow, keyRow) = (queryRow + queries, keyRow + keys + 1)  // a row that belongs to no sequence after each
      }
      let q = random.matrix(queryRow, 3 * queryHeads)
      let (k, v) = (random.matrix(keyRow, 3 * keyHeads), random.matrix(keyRow, 3 * keyHeads))
      let dOut = random.matrix(queryRow, 3 * queryHeads)
      let forward = Definition.attention(q: q, k: k, v: v, spans, shape)
      let result = Definition.attentionBackward(dOut, q: q, k: k, v: v, out: forward.out, logSumExp: forward.logSumExp, spans, shape)
      check([q, k, v], [result.dq, result.dk, result.dv]) {
        dot(dOut, Definition.attention(q: $0[0], k: $0[1], v: $0[2], spans, shape).out)
      }
    }
  }

  @Test("maskGroups: dx and dMask, for a shared mask and one in each row", arguments: [1, 4], [1, 3])
  func maskGroups(maskRows: Int, width: Int) {
    var random = RandomGenerator(seed: 5)
    let (x, mask, dOut) = (random.matrix(4, 5 * width), random.matrix(maskRows, 5), random.matrix(4, 5 * width))
    let result = Definition.maskGroupsBackward(dOut, x: x, mask: mask)
    check([x, mask], [result.dx, result.dMask]) { dot(dOut, Definition.maskGroups($0[0], by: $0[1])) }
  }

  @Test("crossEntropy: dLogits, zero for rows that are not scored")
  func crossEntropy() {
    var random = RandomGenerator(seed: 6)
    let (logits, targets) = (random.matrix(4, 7, scale: 2), [6, -1, 0, -100])
    let result = Definition.crossEntropy(logits: logits, targets: targets, scale: 0.3)
    check([logits], [result.dLogits]) {
      0.3 * Definition.crossEntropy(logits: $0[0], targets: targets, scale: 1).losses.values.reduce(0, +)
    }
    #expect(result.losses[1, 0] == 0 && result.dLogits[1, 3] == 0)
  }

  @Test("klDivergence: dQ")
  func klDivergence() {
    var random = RandomGenerator(seed: 7)
    let (p, q) = (random.matrix(3, 9, scale: 2), random.matrix(3, 9, scale: 2))
    let dQ = Definition.klDivergence(of: p, from: q, scale: 0.3).dQ
    check([q], [dQ]) { 0.3 * Definition.klDivergence(of: p, from: $0[0], scale: 1).divergences.values.reduce(0, +) }
  }

  @Test("linearCrossEntropy: dHidden and dWeight")
  func linearCrossEntropy() {
    var random = RandomGenerator(seed: 8)
    let (hidden, weight, targets) = (random.matrix(4, 5), random.matrix(7, 5), [3, -1, 6, 3])
    let result = Definition.linearCrossEntropy(hidden: hidden, weight: weight, targets: targets, scale: 0.3)
    check([hidden, weight], [result.dHidden, result.dWeight]) {
      0.3 * Definition.linearCrossEntropy(hidden: $0[0], weight: $0[1], targets: targets, scale: 1).losses.values.reduce(0, +)
    }
  }

  @Test("a linear layer's gradients are the other two products")
  func matmul() {
    var random = RandomGenerator(seed: 9)
    let (x, weight, dOut) = (random.matrix(3, 5), random.matrix(7, 5), random.matrix(3, 7))
    check([x, weight], [Definition.matmul(dOut, weight, .none), Definition.matmul(dOut, x, .left)]) {
      dot(dOut, Definition.matmul($0[0], $0[1], .right))
    }
  }

  @Test("scatterAddRows is the transpose of gatherRows: (gather t)·x = t·(scatter x)")
  func scatter() throws {
    var random = RandomGenerator(seed: 10)
    let backend = ReferenceBackend()
    func tensor(_ matrix: Matrix) throws -> Tensor {
      try Tensor(matrix.values.map { Float($0) }, rows: matrix.rows, columns: matrix.columns, on: backend)
    }
    let (table, x) = (random.matrix(5, 3), random.matrix(4, 3))
    let ids = try Tensor([4, 0, 4, 2] as [Int32], on: backend)
    let gathered = try tensor(table).gathered(at: ids).floats()
    let scattered = try tensor(Matrix(5, 3))
    backend.scatterAddRows(try tensor(x), at: ids, into: scattered)
    let left = zip(gathered, x.values).reduce(0) { $0 + Double($1.0) * $1.1 }
    let right = zip(try scattered.floats(), table.values).reduce(0) { $0 + Double($1.0) * $1.1 }
    #expect(abs(left - right) < 1e-6)
  }

  @Test("adamW over three steps is the formula of the paper written out")
  func adamW() {
    let (gradients, rate, beta1, beta2, epsilon, decay): ([Double], Float, Float, Float, Float, Float) = (
      [0.3, -0.7, 0.2], 0.01, 0.9, 0.95, 1e-8, 0.1
    )
    var (w, m, v) = (1.5, 0.0, 0.0)
    var expected = 1.5
    for step in 1...3 {
      let update = AdamW(rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decay, gradientScale: 2, step: step)
      Definition.adamW(parameter: &w, gradient: gradients[step - 1], first: &m, second: &v, update)

      // Unrolled: m̂ = Σ β₁^(t-i) g_i / Σ β₁^(t-i), and v̂ with the squares.
      func average(_ beta: Double, _ values: [Double]) -> Double {
        var (sum, weights, factor) = (0.0, 0.0, 1.0)
        for value in values.reversed() { (sum, weights, factor) = (sum + factor * value, weights + factor, factor * beta) }
        return sum / weights
      }
      let seen = gradients.prefix(step).map { 2 * $0 }
      let direction = average(Double(beta1), seen) / (average(Double(beta2), seen.map { $0 * $0 }).squareRoot() + Double(epsilon))
      expected = expected * (1 - Double(rate) * Double(decay)) - Double(rate) * direction
      #expect(abs(w - expected) < 1e-14)
    }
  }
}
