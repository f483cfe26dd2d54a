import TensorCore
import TensorTesting
import Testing

/// What the reference must get right by itself, since everything else is compared with it: known values, and the contract's accumulation rules.
@Suite struct ReferenceBackendTests {
  private let backend = ReferenceBackend()

  private func tensor(_ values: [Float], _ rows: Int, _ columns: Int) throws -> Tensor {
    try Tensor(values, rows: rows, columns: columns, on: backend)
  }

  private func converted(_ bits: [UInt16], _ dtype: DType) throws -> [Float] {
    let x = try Tensor(1, bits.count, dtype, on: backend)
    try x.upload(bits)
    return try x.floats()
  }

  @Test("f16 is decoded as IEEE 754 says")
  func half() throws {
    let values = try converted([0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00, 0x3555], .f16)
    #expect(values == [1, -2, 65504, 0x1p-14, 0x1p-24, .infinity, 0.333251953125])
    #expect(try converted([0x7e00, 0xfc01], .f16).allSatisfy(\.isNaN))
    // Swift's own Float16 agrees on every pattern.
    for bits in UInt16.min...UInt16.max {
      let own = Float(Float16(bitPattern: bits))
      let ours = try bits % 61 == 0 ? converted([bits], .f16)[0] : own
      #expect(ours == own || ours.isNaN && own.isNaN, "\(bits)")
    }
  }

  @Test("bf16 is the upper half of an f32")
  func brain() throws {
    #expect(try converted([0x3f80, 0xc040, 0x0080, 0x0001, 0xff80], .bf16) == [1, -3, 0x1p-126, 0x1p-133, -.infinity])
  }

  @Test("rounding to f16 and bf16 is to nearest even and overflows to infinity")
  func rounding() throws {
    let x = try tensor([1 + 0x1p-11, 1 + 0x3p-11, 65519, 65520, 0x1p-25, 0x1.8p-24, 1 + 0x1p-8, 1 + 0x3p-8], 1, 8)
    let (half, brain) = (try Tensor(1, 8, .f16, on: backend), try Tensor(1, 8, .bf16, on: backend))
    backend.copy(x, into: half)
    backend.copy(x, into: brain)
    #expect(try half.floats() == [1, 1 + 0x1p-9, 65504, .infinity, 0, 0x1p-23, 1 + 0x1p-8, 1 + 0x3p-8])
    #expect(try brain.floats().suffix(2) == [1, 1 + 0x1p-6])
  }

  @Test("q8_0 is scale times quant; a row ends inside its last block")
  func q8() throws {
    let x = try Tensor(2, 33, .q8_0, on: backend)
    func block(_ scale: UInt16, _ first: Int8) -> [UInt8] {
      [UInt8(scale & 0xff), UInt8(scale >> 8)] + (0..<32).map { UInt8(bitPattern: $0 == 0 ? first : Int8($0)) }
    }
    // Scales 0.5, 2, 1, 0.25.
    try x.upload(block(0x3800, -127) + block(0x4000, 100) + block(0x3c00, 7) + block(0x3400, -4))
    let values = try x.floats()
    #expect(values[0] == -63.5 && values[31] == 15.5 && values[32] == 200)
    #expect(values[33] == 7 && values[34] == 1 && values[65] == -1)
  }

  @Test("q4_K is d·scale·quant - dmin·minimum, with 6-bit scales packed as GGUF packs them")
  func q4() throws {
    let scales = [1, 62, 17, 33, 63, 16, 48, 5]
    let minima = [0, 63, 21, 2, 47, 15, 32, 60]
    let quants = (0..<256).map { ($0 * 7 + $0 / 32) % 16 }
    var packed = [Int](repeating: 0, count: 12)
    for j in 0..<8 {
      if j < 4 {
        packed[j] |= scales[j]
        packed[j + 4] |= minima[j]
      } else {
        packed[j + 4] = scales[j] & 15 | (minima[j] & 15) << 4
        packed[j - 4] |= (scales[j] >> 4) << 6
        packed[j] |= (minima[j] >> 4) << 6
      }
    }
    let nibbles = (0..<128).map { (i: Int) -> Int in
      let low = i / 32 * 64 + i % 32
      return quants[low] | quants[low + 32] << 4
    }
    let x = try Tensor(1, 256, .q4_K, on: backend)
    // d = 0.5, dmin = 0.25.
    try x.upload([0x00, 0x38, 0x00, 0x34] + (packed + nibbles).map { UInt8($0) })
    let expected = (0..<256).map { (i: Int) -> Float in
      let (scaled, minimum) = (Float(scales[i / 32] * quants[i]), Float(minima[i / 32]))
      return 0.5 * scaled - 0.25 * minimum
    }
    #expect(try x.floats() == expected)
  }

  @Test("beta 0 overwrites NaN, beta 1 adds")
  func beta() throws {
    let (a, b, out) = (try tensor([1, 2], 1, 2), try tensor([3, 4], 1, 2), try tensor([.nan], 1, 1))
    backend.matmul(a, b, transpose: .right, beta: 0, into: out)
    #expect(try out.floats() == [11])
    backend.matmul(a, b, transpose: .right, beta: 1, into: out)
    #expect(try out.floats() == [22])
    let sums = try tensor([.nan, .nan], 1, 2)
    backend.columnSums(a, beta: 0, into: sums)
    #expect(try sums.floats() == [1, 2])
  }

  @Test("dWeight and dMask are added to, dx is written")
  func accumulation() throws {
    let (x, ones, r) = (try tensor([2, 2], 1, 2), try tensor([1, 1], 1, 2), try tensor([0.5], 1, 1))
    let (dx, dWeight) = (try tensor([.nan, .nan], 1, 2), try tensor([10, 20], 1, 2))
    backend.rmsNormBackward(ones, x: x, weight: ones, inverseRMS: r, dx: dx, dWeight: dWeight)
    #expect(try dWeight.floats() == [11, 21] && dx.floats() == [0, 0])
    let dMask = try tensor([100], 1, 1)
    backend.maskGroupsBackward(ones, x: x, mask: try tensor([3], 1, 1), dx: dx, dMask: dMask)
    #expect(try dMask.floats() == [104] && dx.floats() == [3, 3])
  }

  @Test("a query that sees no key gives a zero row and a log-sum-exp of -inf")
  func maskedRow() throws {
    let spans = Spans(
      queryStarts: try Tensor([0, 2] as [Int32], on: backend), keyStarts: try Tensor([0] as [Int32], on: backend),
      keyCounts: try Tensor([1] as [Int32], on: backend), count: 1, longestQuery: 2)
    let (q, k, v) = (try tensor([1, 2], 2, 1), try tensor([3], 1, 1), try tensor([5], 1, 1))
    let (out, total) = (try tensor([.nan, .nan], 2, 1), try tensor([.nan, .nan], 2, 1))
    backend.attention(
      q: q, k: k, v: v, spans, AttentionShape(queryHeads: 1, keyHeads: 1, headDim: 1, scale: 0.5), into: out, logSumExp: total)
    #expect(try out.floats() == [0, 5] && total.floats() == [-.infinity, 3])
  }

  @Test("with a master, the parameter is the master rounded")
  func master() throws {
    let (master, parameter) = (try tensor([1.001, -2.003], 1, 2), try Tensor(1, 2, .bf16, on: backend))
    let (gradient, first, second) = (try tensor([0.1, -0.2], 1, 2), try tensor([0, 0], 1, 2), try tensor([0, 0], 1, 2))
    backend.adamW(parameter: parameter, gradient: gradient, first: first, second: second, master: master, AdamW(rate: 0.01, step: 1))
    let rounded = try Tensor(1, 2, .bf16, on: backend)
    backend.copy(master, into: rounded)
    #expect(try parameter.bytes() == rounded.bytes())
    // The first step moves every weight by the rate, against its gradient.
    #expect(zip(try master.floats(), [0.991, -1.993]).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test("the chunked losses above the ops give what the unchunked definitions give", arguments: [DType.f32, .bf16])
  func chunked(activations: DType) throws {
    for item in activations == .f32 ? OpCatalogue.agreement : OpCatalogue.mixed where item.name.hasPrefix("linear") {
      let expected = try item.run(on: ReferenceBackend(activations: activations), seed: 3)
      let comparison = OpComparison(try item.run(on: ChunkedReference(activations: activations), seed: 3), with: expected, item.tolerance)
      #expect(comparison.complaints == [], "\(item)")
    }
  }
}
