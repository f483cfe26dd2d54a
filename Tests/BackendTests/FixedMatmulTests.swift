import BackendCPU
import CKernels
import TensorCore
import TensorTesting
import Testing

@Suite("Matrix products in whole numbers")
struct FixedMatmulTests {
  /// Around every edge: as many rows as the dots take and more, tile heights, groups of columns, K-blocks of 512, quantised blocks of 32 and 256.
  static let shapes: [(m: Int, n: Int, k: Int)] = [
    (9, 1, 1), (9, 7, 41), (10, 33, 257), (13, 17, 600), (21, 65, 512), (41, 31, 33), (129, 66, 520), (131, 20, 2100), (1100, 5, 40),
    (1, 130, 1000), (5, 33, 257), (8, 100, 40),
  ]

  /// What meets the weights is rounded to steps of 2^-15 of the largest of 512, which is at most 3 where the size is 1: 7e-10 of the squares are
  /// lost (a twelfth of a step's). Twice that where results are few.
  private static let lost = 1.4e-9

  @Test("agree with a sum in Double as far as activations of 16 bits can, and leave their neighbours alone", arguments: Levels.available)
  func agreement(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 2, simd: simd, precision: .int16)
    for dtype in [DType.q8_0, .q4_K] {
      for (index, (m, n, k)) in FixedMatmulTests.shapes.enumerated() {
        let beta = [Float(0), 1, 0.5][index % 3]
        var random = RandomGenerator(seed: UInt64(m * 31 + n * 7 + k))
        let a = random.normal(m * k)
        let b = try Tensor(random.stored(dtype, rows: n, columns: k), dtype, rows: n, columns: k, on: backend)
        let weights = try b.floats()
        let fenced = try FencedResult(rows: m, columns: n, on: backend)
        let before = beta == 0 ? [Float](repeating: .nan, count: m * n) : random.normal(m * n)
        try fenced.tensor.upload(before)
        backend.matmul(try Tensor(a, rows: m, columns: k, on: backend), b, transpose: .right, beta: beta, into: fenced.tensor)
        let got = try fenced.checked()
        var (error, size) = (0.0, 0.0)
        for i in 0..<m {
          for j in 0..<n {
            var (sum, squares) = (beta == 0 ? 0 : Double(beta) * Double(before[i * n + j]), 0.0)
            for l in 0..<k {
              let product = Double(a[i * k + l]) * Double(weights[j * k + l])
              sum += product
              squares += product * product
            }
            error += (Double(got[i * n + j]) - sum) * (Double(got[i * n + j]) - sum)
            size += squares
          }
        }
        #expect(error <= FixedMatmulTests.lost * size, "\(dtype.name) beta \(beta) [\(m), \(n), \(k)]: \(error / size)")
        // It is this way that was tested: floats come far closer.
        if k > 1, m > 8 || simd == hoof_simd_avx512_vnni {
          #expect(error > 1e-12 * size, "\(dtype.name) [\(m), \(n), \(k)]: \(error / size)")
        }
      }
    }
  }

  @Test("an element's bits depend neither on the number of workers nor on the other rows of the batch", arguments: Levels.available)
  func determinism(simd: hoof_simd) throws {
    let (n, k) = (136, 600)
    var random = RandomGenerator(seed: 5)
    let a = random.normal(150 * k)
    for dtype in [DType.q8_0, .q4_K] {
      let bytes = random.stored(dtype, rows: n, columns: k)
      // Few rows take another way than many, and one another still, and so have bits of their own.
      for batches in [[150, 20, 9], [8, 5, 2], [1]] {
        var whole: [Float]?
        for threads in [1, 2, 3] {
          let backend = CPUBackend(threads: threads, simd: simd, precision: .int16)
          let b = try Tensor(bytes, dtype, rows: n, columns: k, on: backend)
          for rows in batches {
            let out = try Tensor(rows, n, on: backend)
            let part = try Tensor([Float](a[..<(rows * k)]), rows: rows, columns: k, on: backend)
            backend.matmul(part, b, transpose: .right, beta: 0, into: out)
            let got = try out.floats()
            if let whole {
              #expect(got == [Float](whole[..<(rows * n)]), "\(dtype.name), \(threads) threads, \(rows) rows")
            } else {
              whole = got
            }
          }
        }
      }
    }
  }

  @Test("the largest levels and activations do not overflow, and what is not finite stays in its row", arguments: Levels.available)
  func extremes(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 1, simd: simd, precision: .int16)
    let (columns, rows) = (700, 5)
    for (dtype, m) in [(DType.q8_0, 9), (.q4_K, 9), (.q8_0, 4), (.q4_K, 4)] {
      let rowBytes = dtype.rowBytes(columns: columns)
      // Every level of q8_0 is -128; of q4_K every level is 15, every step 63, and there are no minima.
      var bytes = [UInt8](repeating: dtype == .q8_0 ? 0x80 : 0xff, count: rows * rowBytes)
      for start in stride(from: 0, to: bytes.count, by: dtype.block.bytes) {
        put(1, at: start)
        if dtype == .q4_K { put(0, at: start + 2) }
      }
      put(.nan, at: rowBytes)
      let weights = try Tensor(bytes, dtype, rows: rows, columns: columns, on: backend)
      let weight = dtype == .q8_0 ? -128.0 : 945
      for x in [Float(1), Float(2).nextDown, -1.99, 0x1p-100, -0x1.8p100, 0] {
        var values = [Float](repeating: x, count: m * columns)
        values[columns + 7] = .nan
        values[2 * columns + 600] = .infinity
        let out = try Tensor(m, rows, on: backend)
        backend.matmul(try Tensor(values, rows: m, columns: columns, on: backend), weights, transpose: .right, beta: 0, into: out)
        let got = try out.floats()
        let want = weight * Double(x) * Double(columns)
        for row in [0, 3, m - 1] {
          for n in [0, 2, 3, 4] {
            // Equal activations are all the largest, which is a whole number of units.
            #expect(abs(Double(got[row * rows + n]) - want) <= 2e-6 * abs(want), "\(dtype.name) \(x): \(got[row * rows + n]), not \(want)")
          }
          #expect(!got[row * rows + 1].isFinite, "\(dtype.name) \(x)")
        }
        #expect(got[rows..<3 * rows].allSatisfy { !$0.isFinite }, "\(dtype.name) \(x): NaN or infinity is lost")
      }

      func put(_ value: Float16, at index: Int) {
        bytes[index] = UInt8(value.bitPattern & 0xff)
        bytes[index + 1] = UInt8(value.bitPattern >> 8)
      }
    }
  }

  @Test("every op agrees with the reference, within what the rounding of quantised products allows", arguments: Levels.available)
  func catalogue(simd: hoof_simd) {
    let backend = CPUBackend(threads: 3, simd: simd, precision: .int16)
    for filter in ["q8_0", "q4_K"] {
      let test = SelfTest(backend, precision: .int16, matching: filter, threads: 2)
      #expect(test.count > 20)
      for group in test.run() { #expect(group.failures == 0, "\(group.name): \(group.complaints.first ?? "")") }
    }
  }
}
