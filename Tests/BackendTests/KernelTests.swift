import BackendCPU
import CKernels
import Glibc
import TensorCore
import Testing

/// Every instruction set against plain Double loops, on sizes around the lanes' widths, with fences around what is written.
@Suite struct KernelTests {
  static let levels = [hoof_simd_scalar, hoof_simd_avx2, hoof_simd_avx512].filter { $0.rawValue <= hoof_simd_level().rawValue }
  static let sizes = [1, 7, 41, 123, 257]
  static let cases = levels.flatMap { level in sizes.map { Case(level: level.rawValue, columns: $0) } }

  struct Case: Sendable, CustomTestStringConvertible {
    let level: UInt32, columns: Int
    var backend: CPUBackend { CPUBackend(threads: 2, simd: hoof_simd(rawValue: level)) }
    var testDescription: String { "\(String(cString: hoof_simd_name(hoof_simd(rawValue: level)))), \(columns) columns" }
  }

  @Test("elementwise ops and gates agree with Double", arguments: cases)
  func elementwise(_ c: Case) throws {
    let on = try Bench(c.backend), rows = 3
    let a = try on.input(rows, c.columns, 1, scale: 6), b = try on.input(rows, c.columns, 2), row = try on.input(1, c.columns, 3)
    let g = try on.input(rows, c.columns, 4)
    let silu = { (x: Double) in x / (1 + exp(-x)) }
    let slope = { (x: Double) in 1 / (1 + exp(-x)) * (1 + x / (1 + exp(x))) }
    try on.expect(rows, c.columns, { i in a[i] + b[i] }) { on.backend.add(a.tensor, b.tensor, into: $0) }
    try on.expect(rows, c.columns, { i in a[i] * row[i % c.columns] }) { on.backend.multiply(a.tensor, row.tensor, into: $0) }
    try on.expect(rows, c.columns, { i in 1 / (1 + exp(-a[i])) }) { on.backend.sigmoid(a.tensor, into: $0) }
    try on.expect(rows, c.columns, { i in silu(a[i]) * b[i] }) { on.backend.swiGLU(gate: a.tensor, up: b.tensor, into: $0) }
    let up = try on.output(rows, c.columns)
    try on.expect(rows, c.columns, { i in g[i] * b[i] * slope(a[i]) }) {
      on.backend.swiGLUBackward(g.tensor, gate: a.tensor, up: b.tensor, dGate: $0, dUp: up.tensor)
    }
    try up.expect { i in g[i] * silu(a[i]) }
    try on.expect(rows, c.columns, { _ in 0.25 }) { on.backend.fill($0, with: 0.25) }
  }

  @Test("reductions agree with Double", arguments: cases)
  func reductions(_ c: Case) throws {
    let on = try Bench(c.backend), n = c.columns, rows = 141
    let x = try on.input(rows, n, 1, scale: 4), y = try on.input(rows, n, 2), w = try on.input(rows, 1, 3)
    let column = { (i: Int) in (0..<rows).map { x[$0 * n + i] } }
    let row = { (r: Int) in (0..<n).map { x[r * n + $0] } }
    try on.expect(1, n, { i in column(i).reduce(0, +) }, 2e-4) { on.backend.columnSums(x.tensor, beta: 0, into: $0) }
    try on.expect(rows, 1, { r in (0..<n).reduce(0) { $0 + x[r * n + $1] * y[r * n + $1] } }, 1e-5) {
      on.backend.rowDots(x.tensor, y.tensor, into: $0)
    }
    try on.expect(rows, 1, { r in log(row(r).reduce(0) { $0 + exp($1) }) }, 1e-6) { on.backend.rowLogSumExp(x.tensor, into: $0) }
    let winners = try Tensor(rows, 1, .i32, on: on.backend)
    on.backend.rowArgmax(x.tensor, into: winners)
    #expect(try winners.ints() == (0..<rows).map { r in Int32(row(r).firstIndex(of: row(r).max()!)!) })
    let statistics: (Int) -> Double = { i in
      let values = column(i % n)
      switch i / n {
      case 0: return zip(values, (0..<rows).map { w[$0] }).reduce(0) { $0 + abs($1.0) * $1.1 }
      case 1: return values.reduce(0) { $0 + abs($1) }
      case 2: return values.reduce(0, +)
      case 3: return values.map(abs).max()!
      default: return Double(values.count { abs($0) > 0.5 })
      }
    }
    try on.expect(5, n, statistics, 2e-4) { on.backend.activationStatistics(x.tensor, rowWeights: w.tensor, threshold: 0.5, into: $0) }
  }

  @Test("rms norm and its backward agree with Double", arguments: cases)
  func norm(_ c: Case) throws {
    let on = try Bench(c.backend), n = c.columns, rows = 131
    let x = try on.input(rows, n, 1), w = try on.input(1, n, 2), g = try on.input(rows, n, 3)
    let s = (0..<rows).map { (r: Int) -> Double in
      let squares: Double = (0..<n).reduce(0) { $0 + x[r * n + $1] * x[r * n + $1] }
      return 1 / sqrt(squares / Double(n) + 1e-5)
    }
    let dots = (0..<rows).map { (r: Int) -> Double in (0..<n).reduce(0) { $0 + x[r * n + $1] * w[$1] * g[r * n + $1] } }
    let inverse = try on.output(rows, 1), dWeight = try on.output(1, n)
    try on.expect(rows, n, { i in x[i] * s[i / n] * w[i % n] }) {
      on.backend.rmsNorm(x.tensor, weight: w.tensor, epsilon: 1e-5, into: $0, inverseRMS: inverse.tensor)
    }
    try inverse.expect { s[$0] }
    on.backend.fill(dWeight.tensor, with: 2)
    let slope = { (i: Int) -> Double in
      let inverse = s[i / n], pull = inverse * inverse * inverse / Double(n) * dots[i / n]
      return inverse * w[i % n] * g[i] - x[i] * pull
    }
    try on.expect(rows, n, slope, 2e-5) {
      on.backend.rmsNormBackward(g.tensor, x: x.tensor, weight: w.tensor, inverseRMS: inverse.tensor, dx: $0, dWeight: dWeight.tensor)
    }
    try dWeight.expect(1e-4) { i in
      var sum = 2.0
      for r in 0..<rows { sum += g[r * n + i] * x[r * n + i] * s[r] }
      return sum
    }
  }

  @Test(
    "losses, divergences and their gradients agree with Double", arguments: cases + levels.map { Case(level: $0.rawValue, columns: 2053) })
  func losses(_ c: Case) throws {
    let on = try Bench(c.backend), n = c.columns, rows = 5
    let p = try on.input(rows, n, 1, scale: 8), q = try on.input(rows, n, 2, scale: 8)
    let targets = try Tensor((0..<rows).map { Int32($0 == 2 ? -1 : $0 * 31 % n) }, on: on.backend), ids = try targets.ints()
    let softmax = { (x: FencedTensor) -> [Double] in
      (0..<rows).flatMap { r -> [Double] in
        let e = (0..<n).map { exp(x[r * n + $0]) }
        return e.map { $0 / e.reduce(0, +) }
      }
    }
    let sp = softmax(p), sq = softmax(q)
    let losses = try on.output(rows, 1), divergences = try on.output(rows, 1)
    let hot = { (i: Int) in Int32(i % n) == ids[i / n] ? 1.0 : 0 }
    try on.expect(rows, n, { i in ids[i / n] < 0 ? 0 : 0.5 * (sq[i] - hot(i)) }) {
      on.backend.crossEntropy(logits: q.tensor, targets: targets, scale: 0.5, into: losses.tensor, dLogits: $0)
    }
    try losses.expect { r in ids[r] < 0 ? 0 : -log(sq[r * n + Int(ids[r])]) }
    try on.expect(rows, n, { i in 0.5 * (sq[i] - sp[i]) }) {
      on.backend.klDivergence(of: p.tensor, from: q.tensor, scale: 0.5, into: divergences.tensor, dQ: $0)
    }
    try divergences.expect(1e-6) { r in
      (r * n..<(r + 1) * n).reduce(0.0) { sum, i in sum + sp[i] * (log(sp[i]) - log(sq[i])) }
    }
  }

  @Test(
    "the divergence of nearly equal rows is right to 1e-7, of equal rows exactly 0",
    arguments: levels.map { Case(level: $0.rawValue, columns: 5003) })
  func nearlyEqual(_ c: Case) throws {
    let on = try Bench(c.backend), n = c.columns
    let p = try on.input(1, n, 1, scale: 20)
    let out = try on.output(1, 1)
    on.backend.klDivergence(of: p.tensor, from: p.tensor, scale: 1, into: out.tensor, dQ: nil)
    #expect(try out.tensor.floats() == [0])
    for shift in [0, Float(9.25)] {
      let values = try p.tensor.floats().enumerated().map { $1 + shift + ($0 % 3 == 0 ? 1e-3 : -1e-3) }
      let q = try Tensor(values, rows: 1, columns: n, on: on.backend)
      let zp = (0..<n).map { p[$0] }, zq = values.map(Double.init)
      let lp = log(zp.reduce(0) { $0 + exp($1) }), lq = log(zq.reduce(0) { $0 + exp($1) })
      let kl = (0..<n).reduce(0.0) { sum, i in
        let a = zp[i] - lp, b = zq[i] - lq
        return sum + exp(a) * (a - b)
      }
      on.backend.klDivergence(of: p.tensor, from: q, scale: 1, into: out.tensor, dQ: nil)
      #expect(abs(Double(try out.tensor.floats()[0]) - kl) < 1e-7)
    }
  }

  @Test("infinities and NaN go where they should", arguments: levels.map { Case(level: $0.rawValue, columns: 41) })
  func special(_ c: Case) throws {
    let on = try Bench(c.backend), inf = Float.infinity
    var row = [Float](repeating: 0.5, count: 41)
    let rows = { (x: [Float]) in try Tensor(x, rows: 1, columns: x.count, on: on.backend) }
    let out = try on.output(1, 1).tensor
    let id = try Tensor(1, 1, .i32, on: on.backend)
    row[40] = -inf
    on.backend.rowLogSumExp(try rows(row), into: out)
    #expect(abs(try out.floats()[0] - (0.5 + Float(log(40.0)))) < 1e-6)
    on.backend.klDivergence(of: try rows(row), from: try rows(row), scale: 1, into: out, dQ: nil)
    #expect(try out.floats() == [0])
    row[30] = inf
    on.backend.rowLogSumExp(try rows(row), into: out)
    #expect(try out.floats() == [inf])
    row[17] = .nan
    on.backend.rowLogSumExp(try rows(row), into: out)
    #expect(try out.floats()[0].isNaN)
    on.backend.rowArgmax(try rows(row), into: id)
    #expect(try id.ints() == [17])
    on.backend.rowLogSumExp(try rows([Float](repeating: -inf, count: 41)), into: out)
    #expect(try out.floats() == [-inf])
    let big = try rows([-inf, -1e30, -200, 200, 1e30, inf]), one = try rows([1, 1, 1, 1, 1, 1]), gated = try on.output(1, 6).tensor
    on.backend.swiGLU(gate: big, up: one, into: gated)
    #expect(try gated.floats().map { $0 == 0 ? 0 : $0 } == [0, 0, 0, 200, 1e30, inf])
  }

  @Test(
    "rotation turns pairs and turns them back",
    arguments: levels.flatMap { l in [8, 24, 64, 66].map { Case(level: l.rawValue, columns: $0) } })
  func rope(_ c: Case) throws {
    let on = try Bench(c.backend), d = c.columns, half = d / 2, heads = 3
    let rates = try on.input(1, half, 9)
    for positions in [[0, 5, 63, 64], [0, 5, 63, 70_000]] as [[Int32]] {
      let x = try on.input(4, heads * d, 1), at = try Tensor(positions, on: on.backend)
      for interleaved in [false, true] {
        let expected: (Int) -> Double = { i in
          let row = i / (heads * d), c = i % d, base = i - c
          let pair = interleaved ? c / 2 : c % half, first = interleaved ? c % 2 == 0 : c < half
          let angle = Double(Float(positions[row]) * Float(rates[pair]))
          let (a, b) = interleaved ? (x[base + 2 * pair], x[base + 2 * pair + 1]) : (x[base + pair], x[base + pair + half])
          return first ? a * cos(angle) - b * sin(angle) : b * cos(angle) + a * sin(angle)
        }
        let shape = RopeShape(headDim: d, interleaved: interleaved)
        let turned = try on.expect(4, heads * d, expected) {
          on.backend.rope(x.tensor, positions: at, frequencies: rates.tensor, shape, inverse: false, into: $0)
        }
        try on.expect(4, heads * d, { x[$0] }) {
          on.backend.rope(turned.tensor, positions: at, frequencies: rates.tensor, shape, inverse: true, into: $0)
        }
      }
    }
  }

  @Test("masks over groups, and their gradients, shared or one per row", arguments: cases)
  func masks(_ c: Case) throws {
    let on = try Bench(c.backend), groups = c.columns, rows = 133
    for (width, own) in [(1, false), (1, true), (5, false), (5, true)] {
      let n = groups * width
      let x = try on.input(rows, n, 1), g = try on.input(rows, n, 2), mask = try on.input(own ? rows : 1, groups, 3)
      let at = { (i: Int) in mask[(own ? i / n * groups : 0) + i % n / width] }
      try on.expect(rows, n, { i in x[i] * at(i) }) { on.backend.maskGroups(x.tensor, by: mask.tensor, into: $0) }
      let dMask = try on.output(mask.tensor.rows, groups)
      on.backend.fill(dMask.tensor, with: 1)
      try on.expect(rows, n, { i in g[i] * at(i) }) {
        on.backend.maskGroupsBackward(g.tensor, x: x.tensor, mask: mask.tensor, dx: $0, dMask: dMask.tensor)
      }
      try dMask.expect(1e-4) { i in
        var sum = 1.0
        for r in own ? i / groups..<i / groups + 1 : 0..<rows {
          let first = r * n + i % groups * width
          for c in first..<first + width { sum += g[c] * x[c] }
        }
        return sum
      }
    }
  }

  @Test("AdamW follows its formula; rounded copies are the nearest", arguments: cases)
  func adamW(_ c: Case) throws {
    let on = try Bench(c.backend), n = c.columns
    let p = try on.input(1, n, 1), g = try on.input(1, n, 2), m = try on.input(1, n, 3), v = try on.input(1, n, 4)
    let square = try on.output(1, n)
    on.backend.multiply(v.tensor, v.tensor, into: square.tensor)
    let second = try square.tensor.floats().map(Double.init)
    let update = AdamW(rate: 0.01, decay: 0.1, gradientScale: 0.5, step: 3)
    let expected = (0..<n).map { (i: Int) -> Double in
      let gradient = g[i] * 0.5, first = 0.9 * m[i] + 0.1 * gradient, square = 0.95 * second[i] + 0.05 * gradient * gradient
      let root = sqrt(square / (1 - pow(0.95, 3))) + 1e-8
      let step = first / (1 - pow(0.9, 3)) / root
      return p[i] - 0.01 * (step + 0.1 * p[i])
    }
    let rounded = try Tensor(1, n, .bf16, on: on.backend)
    on.backend.adamW(parameter: rounded, gradient: g.tensor, first: m.tensor, second: square.tensor, master: p.tensor, update)
    try p.expect(1e-5) { expected[$0] }
    let bits = try rounded.bytes()
    for i in 0..<n {
      let back = Float(bitPattern: UInt32(bits[2 * i]) << 16 | UInt32(bits[2 * i + 1]) << 24)
      #expect(abs(Double(back) - expected[i]) <= abs(expected[i]) / 256 + 1e-6)
    }
  }

  @Test("rows are added into a table in order", arguments: cases)
  func scatter(_ c: Case) throws {
    let on = try Bench(c.backend), n = c.columns
    let x = try on.input(50, n, 1), ids = (0..<50).map { Int32($0 * 7 % 4) }
    let table = try on.output(4, n)
    on.backend.fill(table.tensor, with: 1)
    on.backend.scatterAddRows(x.tensor, at: try Tensor(ids, on: on.backend), into: table.tensor)
    try table.expect(1e-5) { i in
      var sum = 1.0
      for r in 0..<50 where Int(ids[r]) == i / n { sum += x[r * n + i % n] }
      return sum
    }
  }
}

/// Inputs and fenced outputs on one backend.
struct Bench {
  let backend: CPUBackend
  init(_ backend: CPUBackend) throws { self.backend = backend }

  func output(_ rows: Int, _ columns: Int) throws -> FencedTensor { try FencedTensor(rows, columns, backend) }

  /// Values in ±scale/2 from a fixed sequence.
  func input(_ rows: Int, _ columns: Int, _ seed: UInt64, scale: Float = 2) throws -> FencedTensor {
    var state = seed &* 0x9e37_79b9_7f4a_7c15
    let values = (0..<rows * columns).map { _ -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (Float(state >> 40) / 16_777_216 - 0.5) * scale
    }
    let x = try FencedTensor(rows, columns, backend)
    try x.tensor.upload(values)
    return try x.remembering(values)
  }

  @discardableResult
  func expect(
    _ rows: Int, _ columns: Int, _ expected: (Int) -> Double, _ tolerance: Double = 2e-6, sourceLocation: SourceLocation = #_sourceLocation,
    _ op: (Tensor) -> Void
  ) throws -> FencedTensor {
    let out = try output(rows, columns)
    op(out.tensor)
    try out.expect(tolerance, sourceLocation: sourceLocation, expected)
    return out
  }
}

/// A tensor that starts off alignment, inside memory filled with a known value.
struct FencedTensor {
  let tensor: Tensor
  private let whole: Tensor
  private var values: [Float] = []
  private static let fence = 19, mark: Float = -12_345.678

  init(_ rows: Int, _ columns: Int, _ backend: CPUBackend) throws {
    let count = rows * columns + 2 * FencedTensor.fence
    whole = try Tensor([Float](repeating: FencedTensor.mark, count: count), rows: 1, columns: count, on: backend)
    tensor = Tensor(storage: whole.storage, byteOffset: 4 * FencedTensor.fence, dtype: .f32, shape: Shape(rows, columns))
  }

  func remembering(_ values: [Float]) throws -> FencedTensor {
    var copy = self
    copy.values = values
    return copy
  }

  subscript(i: Int) -> Double { Double(values[i]) }

  /// Relative to 1 or to the value, whichever is larger.
  func expect(_ tolerance: Double = 2e-6, sourceLocation: SourceLocation = #_sourceLocation, _ expected: (Int) -> Double) throws {
    let all = try whole.floats()
    let fences = all.prefix(FencedTensor.fence) + all.suffix(FencedTensor.fence)
    #expect(fences.allSatisfy { $0 == FencedTensor.mark }, "wrote outside", sourceLocation: sourceLocation)
    var worst = (index: 0, error: 0.0)
    for i in 0..<tensor.shape.count {
      let error = error(all[FencedTensor.fence + i], expected(i))
      if error > worst.error { worst = (i, error) }
    }
    guard worst.error > tolerance else { return }
    Issue.record(
      "at \(worst.index): \(all[FencedTensor.fence + worst.index]), not \(expected(worst.index))", sourceLocation: sourceLocation)
  }

  private func error(_ a: Float, _ b: Double) -> Double {
    let difference = abs(Double(a) - b) / max(1, abs(b))
    return difference.isNaN ? .infinity : difference
  }
}

/// What does not depend on the instruction set: memory, threads, and the fused comparison.
@Suite struct CPUBackendTests {
  @Test("the fused comparison equals KL, cross-entropy and arg-max taken apart", arguments: KernelTests.cases)
  func comparison(_ c: KernelTests.Case) throws {
    let on = try Bench(c.backend), n = c.columns * 5, rows = 4
    let p = try on.input(rows, n, 1, scale: 9), q = try on.input(rows, n, 2, scale: 9)
    let targets = try Tensor([0, -1, Int32(n - 1), Int32(n / 2)], on: on.backend)
    let divergences = try on.output(rows, 1), losses = try on.output(rows, 1)
    let apart = try (on.output(rows, 1), on.output(rows, 1))
    let winners = try Tensor(rows, 1, .i32, on: on.backend), expected = try Tensor(rows, 1, .i32, on: on.backend)
    let pointer = { (x: Tensor) in UnsafeMutablePointer<Float>(bitPattern: x.address.bits)! }
    let ids = { (x: Tensor) in UnsafeMutablePointer<Int32>(bitPattern: x.address.bits)! }
    // A NaN in one row must win there and nowhere else.
    pointer(q.tensor)[2 * n + n / 3] = .nan
    hoof_compare_rows(
      on.backend.simd, pointer(p.tensor), pointer(q.tensor), ids(targets), pointer(divergences.tensor), pointer(losses.tensor),
      ids(winners),
      rows, n)
    on.backend.klDivergence(of: p.tensor, from: q.tensor, scale: 1, into: apart.0.tensor, dQ: nil)
    on.backend.crossEntropy(logits: q.tensor, targets: targets, scale: 1, into: apart.1.tensor, dLogits: nil)
    on.backend.rowArgmax(q.tensor, into: expected)
    #expect(try winners.ints() == expected.ints())
    #expect(try winners.ints()[2] == Int32(n / 3))
    for (a, b) in [(divergences, apart.0), (losses, apart.1)] {
      for (x, y) in zip(try a.tensor.floats(), try b.tensor.floats()) { #expect(x.isNaN ? y.isNaN : abs(x - y) <= 2e-6 * max(1, abs(y))) }
    }
  }

  @Test("reductions down the rows do not depend on the number of threads")
  func threads() throws {
    let results = try [1, 2, 5].map { threads -> [[Float]] in
      let on = try Bench(CPUBackend(threads: threads)), rows = 1000, n = 301
      let x = try on.input(rows, n, 1), g = try on.input(rows, n, 2), w = try on.input(1, n, 3), inverse = try on.input(rows, 1, 4)
      let sums = try on.output(1, n), dWeight = try on.output(1, n), dMask = try on.output(1, n), dx = try on.output(rows, n)
      for out in [dWeight, dMask] { on.backend.fill(out.tensor, with: 0) }
      on.backend.columnSums(x.tensor, beta: 0, into: sums.tensor)
      on.backend.rmsNormBackward(
        g.tensor, x: x.tensor, weight: w.tensor, inverseRMS: inverse.tensor, dx: dx.tensor, dWeight: dWeight.tensor)
      on.backend.maskGroupsBackward(g.tensor, x: x.tensor, mask: w.tensor, dx: dx.tensor, dMask: dMask.tensor)
      return try [sums, dWeight, dMask].map { try $0.tensor.floats() }
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test("more memory than there is is refused, with both numbers")
  func outOfMemory() throws {
    let backend = CPUBackend(threads: 1)
    let total = backend.memory().total
    #expect(total > 1 << 28 && backend.memory().free > 0)
    do throws(BackendError) {
      _ = try Storage(byteCount: 2 * total, on: backend)
      Issue.record("allocated twice the machine's memory")
    } catch {
      guard case .outOfMemory(let requested, let free) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(requested == 2 * total && free <= total)
    }
  }

  @Test("freed blocks come back, aligned to 64 bytes")
  func pool() throws {
    let backend = CPUBackend(threads: 1)
    for size in [0, 1, 64, 65, 1000, 4097, 3 << 20] {
      let first = try backend.allocate(byteCount: size)
      #expect(first.bits != 0 && first.bits % 64 == 0)
      backend.deallocate(first, byteCount: size)
      let second = try backend.allocate(byteCount: size)
      #expect(second == first)
      backend.deallocate(second, byteCount: size)
    }
  }
}
