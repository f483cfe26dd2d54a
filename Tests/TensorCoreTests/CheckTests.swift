import TensorCore
import TensorTesting
import Testing

/// Each op once with one shape that does not fit: it must trap, and the message must name the op and the shapes.
@Suite struct CheckTests {
  struct Mistake: Sendable {
    let message: String
    let call: @Sendable (ReferenceBackend) throws -> Void
    init(_ message: String, _ call: @escaping @Sendable (ReferenceBackend) throws -> Void) {
      self.message = message
      self.call = call
    }
  }

  static let mistakes: [Mistake] = {
    @Sendable func x(_ rows: Int, _ columns: Int, _ b: ReferenceBackend, _ dtype: DType = .f32) throws -> Tensor {
      try Tensor(rows, columns, dtype, on: b)
    }
    @Sendable func spans(_ b: ReferenceBackend) throws -> Spans {
      Spans(queryStarts: try x(2, 1, b, .i32), keyStarts: try x(1, 1, b, .i32), keyCounts: try x(1, 1, b, .i32), count: 1, longestQuery: 3)
    }
    let heads = AttentionShape(queryHeads: 4, keyHeads: 2, headDim: 8, scale: 1)
    return [
      Mistake("copy: [2, 3] f32, [3, 2] f32") { b in b.copy(try x(2, 3, b), into: try x(3, 2, b)) },
      Mistake("copy: [2, 32] f32, [2, 32] q8_0") { b in b.copy(try x(2, 32, b), into: try x(2, 32, b, .q8_0)) },
      Mistake("copy: [2, 3] i32, [2, 3] f32") { b in b.copy(try x(2, 3, b, .i32), into: try x(2, 3, b)) },
      Mistake("fill: [2, 32] q8_0") { b in b.fill(try x(2, 32, b, .q8_0), with: 1) },
      Mistake("add: [2, 3] f32, [2, 4] f32, [2, 3] f32") { b in b.add(try x(2, 3, b), try x(2, 4, b), into: try x(2, 3, b)) },
      Mistake("multiply: [4, 3] f32, [2, 3] f32, [4, 3] f32") { b in b.multiply(try x(4, 3, b), try x(2, 3, b), into: try x(4, 3, b)) },
      Mistake("addScaled: [2, 3] f32, nil, [3, 3] f32") { b in b.addScaled(try x(2, 3, b), by: 1, into: try x(3, 3, b)) },
      Mistake("sigmoid: [2, 3] bf16, nil, [2, 3] f32") { b in b.sigmoid(try x(2, 3, b, .bf16), into: try x(2, 3, b)) },
      Mistake("matmul: [7, 64] f32, [32, 128] f32, [7, 32] f32") { b in
        b.matmul(try x(7, 64, b), try x(32, 128, b), transpose: .right, beta: 0, into: try x(7, 32, b))
      },
      Mistake("matmul: [64, 7] f32, [64, 32] q8_0, [7, 32] f32") { b in
        b.matmul(try x(64, 7, b), try x(64, 32, b, .q8_0), transpose: .left, beta: 0, into: try x(7, 32, b))
      },
      Mistake("gatherRows: [9, 4] f32, [3, 1] i32, [2, 4] f32") { b in
        b.gatherRows(try x(9, 4, b), at: try x(3, 1, b, .i32), into: try x(2, 4, b))
      },
      Mistake("copyRows: [3, 4] f32, [2, 1] i32, [9, 4] f32, [3, 1] i32") { b in
        b.copyRows(try x(3, 4, b), at: try x(2, 1, b, .i32), into: try x(9, 4, b), at: try x(3, 1, b, .i32))
      },
      Mistake("copyRows: [3, 4] f32, nil, [9, 4] f32, [2, 1] i32") { b in
        b.copyRows(try x(3, 4, b), at: nil, into: try x(9, 4, b), at: try x(2, 1, b, .i32))
      },
      Mistake("scatterAddRows: [3, 4] f32, [3, 1] f32, [9, 4] f32") { b in
        b.scatterAddRows(try x(3, 4, b), at: try x(3, 1, b), into: try x(9, 4, b))
      },
      Mistake("columnSums: [3, 4] f32, [1, 3] f32") { b in b.columnSums(try x(3, 4, b), beta: 0, into: try x(1, 3, b)) },
      Mistake("rowDots: [3, 4] f32, [3, 4] f32, [1, 3] f32") { b in b.rowDots(try x(3, 4, b), try x(3, 4, b), into: try x(1, 3, b)) },
      Mistake("rowLogSumExp: [3, 4] f32, [3, 1] i32") { b in b.rowLogSumExp(try x(3, 4, b), into: try x(3, 1, b, .i32)) },
      Mistake("rowArgmax: [3, 0] f32, [3, 1] i32") { b in b.rowArgmax(try x(3, 0, b), into: try x(3, 1, b, .i32)) },
      Mistake("activationStatistics: [3, 4] f32, [3, 1] f32, [4, 4] f32") { b in
        b.activationStatistics(try x(3, 4, b), rowWeights: try x(3, 1, b), threshold: 0, into: try x(4, 4, b))
      },
      Mistake("rmsNorm: [3, 4] f32, [1, 5] f32, [3, 4] f32, [3, 1] f32") { b in
        b.rmsNorm(try x(3, 4, b), weight: try x(1, 5, b), epsilon: 0, into: try x(3, 4, b), inverseRMS: try x(3, 1, b))
      },
      Mistake("rmsNormBackward: [3, 4] f32, [3, 4] f32, [1, 4] f32, [3, 1] f32, [3, 4] f32, [1, 5] f32") { b in
        b.rmsNormBackward(
          try x(3, 4, b), x: try x(3, 4, b), weight: try x(1, 4, b), inverseRMS: try x(3, 1, b), dx: try x(3, 4, b), dWeight: try x(1, 5, b)
        )
      },
      Mistake("rope: [3, 12] f32, [3, 1] i32, [1, 4] f32, [3, 12] f32") { b in
        b.rope(
          try x(3, 12, b), positions: try x(3, 1, b, .i32), frequencies: try x(1, 4, b), RopeShape(headDim: 8), inverse: false,
          into: try x(3, 12, b))
      },
      Mistake("swiGLU: [3, 4] f32, [3, 5] f32, [3, 4] f32") { b in b.swiGLU(gate: try x(3, 4, b), up: try x(3, 5, b), into: try x(3, 4, b))
      },
      Mistake("attention: [3, 32] f32, [5, 32] f32") { b in
        b.attention(
          q: try x(3, 32, b), k: try x(5, 32, b), v: try x(5, 32, b), try spans(b), heads, into: try x(3, 32, b), logSumExp: try x(3, 4, b))
      },
      Mistake("attentionBackward: [3, 32] f32, [3, 32] f32, [4, 16] f32, [5, 16] f32") { b in
        b.attentionBackward(
          try x(3, 32, b), q: try x(3, 32, b), k: try x(5, 16, b), v: try x(5, 16, b), out: try x(3, 32, b), logSumExp: try x(3, 4, b),
          try spans(b), heads, dq: try x(3, 32, b), dk: try x(4, 16, b), dv: try x(5, 16, b))
      },
      Mistake("maskGroups: [3, 12] f32, [1, 5] f32, [3, 12] f32") { b in
        b.maskGroups(try x(3, 12, b), by: try x(1, 5, b), into: try x(3, 12, b))
      },
      Mistake("maskGroupsBackward: [3, 12] f32, [3, 12] f32, [1, 4] f32, [3, 12] f32, [3, 4] f32") { b in
        b.maskGroupsBackward(try x(3, 12, b), x: try x(3, 12, b), mask: try x(1, 4, b), dx: try x(3, 12, b), dMask: try x(3, 4, b))
      },
      Mistake("crossEntropy: [3, 9] f32, [2, 1] i32, [3, 1] f32, nil") { b in
        b.crossEntropy(logits: try x(3, 9, b), targets: try x(2, 1, b, .i32), scale: 1, into: try x(3, 1, b), dLogits: nil)
      },
      Mistake("klDivergence: [3, 9] f32, [3, 8] f32, [3, 1] f32, nil") { b in
        b.klDivergence(of: try x(3, 9, b), from: try x(3, 8, b), scale: 1, into: try x(3, 1, b), dQ: nil)
      },
      Mistake("adamW: [3, 4] bf16, [3, 4] bf16, [3, 4] f32, [3, 4] f32, nil") { b in
        b.adamW(
          parameter: try x(3, 4, b, .bf16), gradient: try x(3, 4, b, .bf16), first: try x(3, 4, b), second: try x(3, 4, b), master: nil,
          AdamW(rate: 1, step: 1))
      },
      Mistake("adamW8bit: [3, 100] f32, [3, 100] f32, [1, 64] i32, [1, 1] f32, [2, 64] i32, [2, 1] f32, nil") { b in
        b.adamW8bit(
          parameter: try x(3, 100, b), gradient: try x(3, 100, b), first: BlockMoment(codes: try x(1, 64, b, .i32), scales: try x(1, 1, b)),
          second: BlockMoment(codes: try x(2, 64, b, .i32), scales: try x(2, 1, b)), master: nil, AdamW(rate: 1, step: 1))
      },
      Mistake("linearDivergence: [5, 4] f32, [9, 4] f32, [3, 1] i32") { b in
        try b.linearDivergence(
          of: .logits(try x(3, 9, b)), from: try x(5, 4, b), weight: try x(9, 4, b), targets: try x(3, 1, b, .i32), rowsPerChunk: 1,
          into: DivergenceRows(divergences: try x(5, 1, b), losses: try x(5, 1, b), winners: try x(5, 1, b, .i32)))
      },
      Mistake("linearCrossEntropy: [3, 4] f32, [9, 4] f32, [3, 1] i32, [3, 1] f32, [3, 4] f32, [9, 5] f32") { b in
        try b.linearCrossEntropy(
          hidden: try x(3, 4, b), weight: try x(9, 4, b), targets: try x(3, 1, b, .i32), scale: 1, rowsPerChunk: 1, into: try x(3, 1, b),
          dHidden: try x(3, 4, b), dWeight: try x(9, 5, b))
      },
      // bf16 activations where the backend has none.
      Mistake("rmsNorm: [3, 4] f32, [1, 4] f32, [3, 4] bf16, [3, 1] f32") { b in
        b.rmsNorm(try x(3, 4, b), weight: try x(1, 4, b), epsilon: 0, into: try x(3, 4, b, .bf16), inverseRMS: try x(3, 1, b))
      },
      Mistake("matmul: [3, 4] bf16, [5, 4] bf16, [3, 5] f32") { b in
        b.matmul(try x(3, 4, b, .bf16), try x(5, 4, b, .bf16), transpose: .right, beta: 0, into: try x(3, 5, b))
      },
      Mistake("swiGLU: [3, 4] bf16, [3, 4] bf16, [3, 4] bf16") { b in
        b.swiGLU(gate: try x(3, 4, b, .bf16), up: try x(3, 4, b, .bf16), into: try x(3, 4, b, .bf16))
      },
      // Mixes of types that are not in the protocol's table, where it has them.
      Mistake("add: [3, 4] f32, [3, 4] f32, [3, 4] bf16") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.add(try x(3, 4, b), try x(3, 4, b), into: try x(3, 4, b, .bf16))
      },
      Mistake("multiply: [3, 4] f32, [1, 4] bf16, [3, 4] f32") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.multiply(try x(3, 4, b), try x(1, 4, b, .bf16), into: try x(3, 4, b))
      },
      Mistake("addScaled: [3, 4] f32, nil, [3, 4] bf16") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.addScaled(try x(3, 4, b), by: 1, into: try x(3, 4, b, .bf16))
      },
      Mistake("matmul: [3, 4] f32, [5, 4] bf16, [3, 5] bf16") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.matmul(try x(3, 4, b), try x(5, 4, b, .bf16), transpose: .right, beta: 0, into: try x(3, 5, b, .bf16))
      },
      Mistake("matmul: [4, 3] bf16, [4, 5] f32, [3, 5] f32") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.matmul(try x(4, 3, b, .bf16), try x(4, 5, b), transpose: .left, beta: 0, into: try x(3, 5, b))
      },
      Mistake("rope: [3, 8] bf16, [3, 1] i32, [1, 4] f32, [3, 8] f32") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.rope(
          try x(3, 8, b, .bf16), positions: try x(3, 1, b, .i32), frequencies: try x(1, 4, b), RopeShape(headDim: 8), inverse: false,
          into: try x(3, 8, b))
      },
      Mistake("rowLogSumExp: [3, 4] bf16, [3, 1] f32") { _ in
        let b = ReferenceBackend(activations: .bf16)
        b.rowLogSumExp(try x(3, 4, b, .bf16), into: try x(3, 1, b))
      },
    ]
  }()

  @Test("a shape mistake traps and names op and shapes", arguments: mistakes.indices)
  func traps(index: Int) async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [index] in
      try CheckTests.mistakes[index].call(ReferenceBackend())
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains(Self.mistakes[index].message))
  }
}
