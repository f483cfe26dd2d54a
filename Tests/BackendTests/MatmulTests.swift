import BackendCPU
import CKernels
import TensorCore
import TensorTesting
import Testing

@Suite("Matrix products")
struct MatmulTests {
  /// Odd sizes around every edge: one row, tile heights, column groups, K-blocks of 256, quantised blocks of 32 and 256.
  static let shapes: [(m: Int, n: Int, k: Int)] = [
    (1, 1, 1), (1, 7, 41), (2, 65, 32), (3, 33, 257), (7, 41, 123), (8, 64, 256), (9, 129, 300), (13, 17, 600), (41, 31, 33),
    (123, 70, 65), (129, 66, 520), (257, 193, 96), (131, 20, 2100), (5, 0, 3), (0, 4, 3),
  ]

  @Test(
    "every product, type and instruction set agrees with a sum in Double and leaves its neighbours alone",
    arguments: Levels.available, [Transpose.none, .left, .right])
  func agreement(simd: hoof_simd, transpose: Transpose) throws {
    let backend = CPUBackend(threads: 2, simd: simd)
    for dtype in [DType.f32, .f16, .bf16, .q8_0, .q4_K] where transpose != .left || dtype == .f32 {
      for (index, (m, n, k)) in MatmulTests.shapes.enumerated() {
        // Every edge meets every beta, but not for every type.
        for beta in [[Float(0), 1, 0.5][(index + Int(dtype.rawValue)) % 3], 0].prefix(m * n * k < 20_000 ? 2 : 1) {
          var random = RandomGenerator(seed: UInt64(m * 31 + n * 7 + k))
          let a = random.normal(m * k)
          let (bRows, bColumns) = transpose == .right ? (n, k) : (k, n)
          let b = try Tensor(random.stored(dtype, rows: bRows, columns: bColumns), dtype, rows: bRows, columns: bColumns, on: backend)
          let weights = try b.floats()
          let fenced = try FencedResult(rows: m, columns: n, on: backend)
          // With beta 0 whatever is there must not matter, NaN least of all.
          let before = beta == 0 ? [Float](repeating: .nan, count: m * n) : random.normal(m * n)
          try fenced.tensor.upload(before)
          let left = try Tensor(a, rows: transpose == .left ? k : m, columns: transpose == .left ? m : k, on: backend)
          backend.matmul(left, b, transpose: transpose, beta: beta, into: fenced.tensor)
          let got = try fenced.checked()
          #expect(got.allSatisfy { $0.isFinite }, "\(dtype.name) \(transpose) beta \(beta) [\(m), \(n), \(k)]")
          // All of a small product; of a large one the corners and some in between.
          let whole = m * n * k <= 4000
          let places =
            whole ? Array(0..<m * n) : [0, n - 1, m * n - n, m * n - 1] + (0..<20).map { _ in Int(random.next() % UInt64(m * n)) }
          for place in places {
            let (i, j) = (place / n, place % n)
            var sum = beta == 0 ? 0 : Double(beta) * Double(before[i * n + j])
            var size = abs(sum)
            for l in 0..<k {
              let x = transpose == .left ? a[l * m + i] : a[i * k + l]
              let y = transpose == .right ? weights[j * k + l] : weights[l * n + j]
              sum += Double(x) * Double(y)
              size += abs(Double(x) * Double(y))
            }
            let error = abs(Double(got[i * n + j]) - sum)
            // Every sum is of floats in float: a few roundings for each of its terms, which mostly cancel.
            #expect(
              error <= 2e-6 * size + 1e-30,
              "\(dtype.name) \(transpose) beta \(beta) [\(m), \(n), \(k)] at \(i), \(j): \(got[i * n + j]), not \(sum)")
            if error > 2e-6 * size + 1e-30 { return }
          }
        }
      }
    }
  }

  @Test("an empty sum is beta times out", arguments: Levels.available)
  func emptySum(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 2, simd: simd)
    let a = try Tensor(3, 0, on: backend), b = try Tensor(5, 0, on: backend)
    let out = try Tensor([Float](repeating: 2, count: 15), rows: 3, columns: 5, on: backend)
    backend.matmul(a, b, transpose: .right, beta: 0.5, into: out)
    #expect(try out.floats() == [Float](repeating: 1, count: 15))
    backend.matmul(a, b, transpose: .right, beta: 0, into: out)
    #expect(try out.floats() == [Float](repeating: 0, count: 15))
  }

  @Test("an element's bits depend neither on the number of workers nor on the other rows of the batch", arguments: Levels.available)
  func determinism(simd: hoof_simd) throws {
    let (m, n, k) = (150, 136, 600)
    var random = RandomGenerator(seed: 5)
    let a = random.normal(m * k)
    for dtype in [DType.f32, .bf16, .q8_0, .q4_K] {
      let bytes = random.stored(dtype, rows: n, columns: k)
      var whole: [Float]?
      for threads in [1, 2, 3] {
        let backend = CPUBackend(threads: threads, simd: simd)
        let b = try Tensor(bytes, dtype, rows: n, columns: k, on: backend)
        let out = try Tensor(m, n, on: backend)
        backend.matmul(try Tensor(a, rows: m, columns: k, on: backend), b, transpose: .right, beta: 0, into: out)
        let got = try out.floats()
        // Below the instruction sets we have kernels for, OpenBLAS multiplies floats, and promises nothing of the kind.
        if dtype == .f32, simd == hoof_simd_scalar { continue }
        if let whole { #expect(got == whole, "\(dtype.name), \(threads) threads") } else { whole = got }
        let few = try Tensor(20, n, on: backend)
        backend.matmul(try Tensor([Float](a[..<(20 * k)]), rows: 20, columns: k, on: backend), b, transpose: .right, beta: 0, into: few)
        #expect(try few.floats() == [Float](whole![..<(20 * n)]), "\(dtype.name), 20 of \(m) rows")
        guard dtype != .f32 else { continue }
        let eight = try Tensor(8, n, on: backend), one = try Tensor(1, n, on: backend)
        backend.matmul(try Tensor([Float](a[..<(8 * k)]), rows: 8, columns: k, on: backend), b, transpose: .right, beta: 0, into: eight)
        backend.matmul(try Tensor([Float](a[..<k]), rows: 1, columns: k, on: backend), b, transpose: .right, beta: 0, into: one)
        #expect(try one.floats() == [Float](eight.floats()[..<n]), "\(dtype.name), 1 of 8 rows")
      }
    }
  }

  @Test("several products of the same rows are the same bits as one by one", arguments: Levels.available, [Precision.f32, .int16])
  func several(simd: hoof_simd, precision: Precision) throws {
    var random = RandomGenerator(seed: 7)
    let k = 300
    for types in [
      [DType.q8_0, .q8_0, .q8_0, .q8_0], [.q4_K, .q4_K, .q4_K, .q4_K], [.f32, .f32, .f32, .f32], [.q8_0, .bf16, .q8_0, .f32],
    ] {
      let stored = zip(types, [70, 0, 33, 129]).map { (dtype: $0, rows: $1, bytes: random.stored($0, rows: $1, columns: k)) }
      for (m, threads) in [(1, 1), (1, 3), (8, 2), (20, 2), (0, 2)] {
        let backend = CPUBackend(threads: threads, simd: simd, precision: precision)
        let weights = try stored.map { try Tensor($0.bytes, $0.dtype, rows: $0.rows, columns: k, on: backend) }
        let a = try Tensor(random.normal(m * k), rows: m, columns: k, on: backend)
        let together = try a.linears(weights.map { ($0, .f32) })
        for (weight, out) in zip(weights, together) {
          #expect(
            try out.floats() == a.linear(weight).floats(), "\(types.map(\.name)) \(m) rows, \(weight.rows) columns, \(threads) threads")
        }
      }
    }
  }

  @Test("padding of quantised rows is ignored, whatever it holds", arguments: Levels.available)
  func padding(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 1, simd: simd)
    var random = RandomGenerator(seed: 9)
    for (dtype, columns) in [(DType.q8_0, 33), (.q8_0, 7), (.q4_K, 300), (.q4_K, 40)] {
      let rows = 3
      var bytes = random.stored(dtype, rows: rows, columns: columns)
      let clean = try Tensor(bytes, dtype, rows: rows, columns: columns, on: backend)
      let stride = dtype.rowBytes(columns: columns)
      for row in 0..<rows {
        let start = row * stride
        if dtype == .q8_0 {
          let used = columns % 32
          for i in used..<32 { bytes[start + stride - 32 + i] = 0x7f }
        } else {
          for j in columns % 256..<256 {
            let at = start + stride - 128 + j / 64 * 32 + j % 32
            bytes[at] |= j % 64 < 32 ? 0x0f : 0xf0
          }
        }
      }
      let hostile = try Tensor(bytes, dtype, rows: rows, columns: columns, on: backend)
      #expect(try hostile.floats() == clean.floats())
      for m in [1, 3, 20] {
        let a = try Tensor(random.normal(m * columns), rows: m, columns: columns, on: backend)
        let x = try Tensor(m, rows, on: backend), y = try Tensor(m, rows, on: backend)
        backend.matmul(a, clean, transpose: .right, beta: 0, into: x)
        backend.matmul(a, hostile, transpose: .right, beta: 0, into: y)
        #expect(try x.floats() == y.floats(), "\(dtype.name) \(columns) columns, \(m) rows")
      }
    }
  }

  @Test("the largest levels and activations do not overflow, and what is not finite stays in its row", arguments: Levels.available)
  func extremes(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 1, simd: simd)
    let columns = 300, rows = 5
    for dtype in [DType.q8_0, .q4_K] {
      let rowBytes = dtype.rowBytes(columns: columns)
      // Every level of q8_0 is -128; of q4_K every level is 15, every step 63.
      var bytes = [UInt8](repeating: dtype == .q8_0 ? 0x80 : 0xff, count: rows * rowBytes)
      for start in stride(from: 0, to: bytes.count, by: dtype.block.bytes) {
        put(1, at: start)
        if dtype == .q4_K { put(0, at: start + 2) }
      }
      put(.nan, at: rowBytes)
      put(.infinity, at: 3 * rowBytes)
      let weights = try Tensor(bytes, dtype, rows: rows, columns: columns, on: backend)
      let weight = dtype == .q8_0 ? -128.0 : 945
      for x in [Float(1), Float(2).nextDown, -Float(1).nextDown, 1.99, 1.01, 0x1p-100, -0x1.8p100, 0] {
        for m in [1, 2] {
          // A second row, which must leave the first alone.
          var values = [Float](repeating: x, count: m * columns)
          if m == 2 { values[columns + 7] = .nan }
          let out = try Tensor(m, rows, on: backend)
          let a = try Tensor(values, rows: m, columns: columns, on: backend)
          backend.matmul(a, weights, transpose: .right, beta: 0, into: out)
          let got = try out.floats()
          let want = weight * Double(x) * Double(columns)
          for n in [0, 2, 4] {
            #expect(abs(Double(got[n]) - want) <= 2e-6 * abs(want), "\(dtype.name) \(x) of \(m): \(got[n]), not \(want)")
          }
          for n in [1, 3] { #expect(!got[n].isFinite, "\(dtype.name) \(x) of \(m): \(got[n])") }
          #expect(got[rows...].allSatisfy { $0.isNaN }, "\(dtype.name) \(x): NaN is lost")
        }
      }

      func put(_ value: Float16, at index: Int) {
        bytes[index] = UInt8(value.bitPattern & 0xff)
        bytes[index + 1] = UInt8(value.bitPattern >> 8)
      }
    }
  }
}
