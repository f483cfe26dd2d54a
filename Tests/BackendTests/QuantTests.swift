import BackendCPU
import CKernels
import TensorCore
import TensorTesting
import Testing

@Suite("Conversions and quantisers")
struct QuantTests {
  enum Values: UInt64, Sendable, CaseIterable {
    case spread, denormal, huge, zero, constant, positive, sparse, bits

    /// The same floats as the program that ran the reference: one draw of SplitMix64 an element, and a second where the kind needs one.
    func make(_ count: Int) -> [Float] {
      var random = RandomGenerator(seed: rawValue)
      return (0..<count).map { _ in
        let x = random.uniform() * 2 - 1
        switch self {
        case .spread: return x * 0.02
        case .denormal: return x * 0x1p-129
        case .huge: return x * 1e37
        case .zero: return 0
        case .constant: return -0.37
        case .positive: return x + 1.5
        case .sparse: return random.next() % 8 == 0 ? x : 0
        case .bits:
          let bits = UInt32(random.next() >> 32)
          return Float(bitPattern: bits >> 23 & 255 == 255 ? bits ^ 1 << 30 : bits)
        }
      }
    }
  }

  /// FNV-1a of the blocks that ggml's reference quantisers (llama.cpp 01243c58, gcc 12, -ffp-contract=off) make of 8236 values padded with
  /// zeros; the q8_0 one of `spread` is also what gguf-py makes.
  static let references: [(Values, q8_0: UInt64, q4_K: UInt64)] = [
    (.spread, 0x9154_4527_1a80_bc86, 0x1d5a_87c0_fbb8_451f),
    (.denormal, 0xb2fe_0565_83c1_f0f5, 0xa998_fc5c_e3a3_1665),
    (.huge, 0x65e9_b6e3_9ad2_624a, 0x84dd_d89b_5f37_576e),
    (.zero, 0xb2fe_0565_83c1_f0f5, 0xa998_fc5c_e3a3_1665),
    (.constant, 0xc0a3_124b_b367_b911, 0x7152_8310_8da1_f240),
    (.positive, 0x00ac_e2b3_ce37_9eb4, 0xcaaa_9a47_99bb_6272),
    (.sparse, 0x97b9_2c39_12cb_5ebf, 0x8537_b287_a0f3_cd7d),
    (.bits, 0x4e9d_e664_2b60_54ec, 0x860f_9242_9fcf_7112),
  ]

  @Test("quantised bytes are the reference's, with every instruction set", arguments: Levels.available)
  func quantisers(simd: hoof_simd) {
    for (kind, q8_0, q4_K) in QuantTests.references {
      let x = kind.make(8236)
      #expect(fingerprint(quantised(x, .q8_0, simd)) == q8_0, "q8_0 \(kind)")
      #expect(fingerprint(quantised(x, .q4_K, simd)) == q4_K, "q4_K \(kind)")
    }
  }

  @Test("a quantiser writes whole blocks and nothing else", arguments: Levels.available)
  func quantiserBounds(simd: hoof_simd) {
    for columns in [0, 1, 31, 32, 33, 255, 256, 257, 300, 511, 512, 513, 768] {
      let x = Values.spread.make(columns)
      for dtype in [DType.q8_0, .q4_K] {
        let size = dtype.rowBytes(columns: columns)
        let bytes = quantised(x, dtype, simd, extra: 64)
        #expect(bytes[size...].allSatisfy { $0 == 0xa5 }, "\(dtype.name) \(columns)")
      }
    }
  }

  @Test("blocks come back as scale times level, minus the minimum", arguments: Levels.available)
  func dequantisers(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 2, simd: simd)
    for columns in [1, 31, 32, 100, 256, 257, 300, 2050, 4200] {
      var random = RandomGenerator(seed: UInt64(columns))
      for dtype in [DType.q8_0, .q4_K] {
        let bytes = random.stored(dtype, rows: 3, columns: columns)
        let x = try Tensor(bytes, dtype, rows: 3, columns: columns, on: backend)
        let fenced = try FencedResult(rows: 3, columns: columns, on: backend)
        backend.copy(x, into: fenced.tensor)
        let got = try fenced.checked()
        let stride = dtype.rowBytes(columns: columns)
        let want = (0..<3 * columns).map { i in
          let row = Array(bytes[i / columns * stride..<(i / columns + 1) * stride])
          return dtype == .q8_0 ? q8_0Value(row, i % columns) : q4_KValue(row, i % columns)
        }
        #expect(got == want, "\(dtype.name) \(columns)")

        // The same rows through a gather, out of order and repeated.
        let gathered = try FencedResult(rows: 4, columns: columns, on: backend)
        backend.gatherRows(x, at: try Tensor([Int32](arrayLiteral: 2, 0, 2, 1), on: backend), into: gathered.tensor)
        let rows = [2, 0, 2, 1].flatMap { want[$0 * columns..<($0 + 1) * columns] }
        #expect(try gathered.checked() == rows, "gathered \(dtype.name) \(columns)")

        let half = try Tensor(3, columns, .f16, on: backend)
        backend.copy(x, into: half)
        #expect(try half.floats() == want.map { Float(Float16($0)) }, "\(dtype.name) to f16")
      }
    }
  }

  @Test("16-bit floats widen exactly and round to the nearest even", arguments: Levels.available)
  func halves(simd: hoof_simd) throws {
    let backend = CPUBackend(threads: 2, simd: simd)
    let patterns = (0...UInt16.max).map { $0 }
    let halves = try Tensor(65_535, 1, .f16, on: backend), bfloats = try Tensor(65_535, 1, .bf16, on: backend)
    try halves.upload(Array(patterns[..<65_535]))
    try bfloats.upload(Array(patterns[..<65_535]))
    let widened = try halves.floats(), brain = try bfloats.floats()
    for i in 0..<65_535 {
      let pattern = UInt16(i)
      let want = Float(Float16(bitPattern: pattern))
      if widened[i].bitPattern != want.bitPattern && !(widened[i].isNaN && want.isNaN) { Issue.record("f16 \(i)") }
      if brain[i].bitPattern != UInt32(pattern) << 16 { Issue.record("bf16 \(i)") }
    }

    // Every way to round: halfway cases both ways, subnormals, overflow, NaN whose payload sits in the lost bits.
    var x = Values.bits.make(3001) + [.nan, .infinity, -.infinity, 65_519.996, 65_520, -65_520, 0x1p-25, 0x1.000002p-25, 0x1p-24, -0.0]
    x += [Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0x3f80_8000), Float(bitPattern: 0x3f81_8000), Float(bitPattern: 0x7f7f_ffff)]
    x += (0..<4000).map { Float(bitPattern: 0x3300_0000 + UInt32($0) &* 0x1_1357) }
    let source = try Tensor(x, rows: 1, columns: x.count, on: backend)
    let narrow = try Tensor(1, x.count, .f16, on: backend), brainy = try Tensor(1, x.count, .bf16, on: backend)
    backend.copy(source, into: narrow)
    backend.copy(source, into: brainy)
    let (f16, bf16) = (words(try narrow.bytes()), words(try brainy.bytes()))
    for (i, value) in x.enumerated() {
      let half = Float16(bitPattern: f16[i])
      #expect(value.isNaN ? half.isNaN : half == Float16(value), "f16 of \(value)")
      let kept = Float(bitPattern: UInt32(bf16[i]) << 16)
      if value.isNaN {
        #expect(kept.isNaN)
      } else {
        let below = Float(bitPattern: value.bitPattern & 0xffff_0000), above = Float(bitPattern: below.bitPattern &+ 0x1_0000)
        let rest = value.bitPattern & 0xffff
        let odd = below.bitPattern & 0x1_0000 != 0
        #expect(kept == (rest > 0x8000 || rest == 0x8000 && odd ? above : below), "bf16 of \(value)")
      }
    }
    // From one 16-bit form to the other, and dense copies of every type.
    let crossed = try Tensor(1, x.count, .bf16, on: backend)
    backend.copy(narrow, into: crossed)
    let again = try Tensor(1, x.count, .bf16, on: backend)
    backend.copy(try Tensor(narrow.floats(), rows: 1, columns: x.count, on: backend), into: again)
    #expect(try crossed.bytes() == again.bytes())
    let same = try Tensor(1, x.count, .bf16, on: backend)
    backend.copy(again, into: same)
    #expect(try same.bytes() == again.bytes())
  }

  // MARK: helpers

  private func quantised(_ x: [Float], _ dtype: DType, _ simd: hoof_simd, extra: Int = 0) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xa5, count: dtype.rowBytes(columns: x.count) + extra)
    if dtype == .q8_0 {
      hoof_quantize_q8_0_with(simd, x, &bytes, x.count)
    } else {
      hoof_quantize_q4_K_with(simd, x, &bytes, x.count)
    }
    return bytes
  }

  private func fingerprint(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  private func words(_ bytes: [UInt8]) -> [UInt16] {
    stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
  }

  private func half(_ row: [UInt8], _ at: Int) -> Float { Float(Float16(bitPattern: UInt16(row[at]) | UInt16(row[at + 1]) << 8)) }

  private func q8_0Value(_ row: [UInt8], _ i: Int) -> Float {
    Float(Int8(bitPattern: row[i / 32 * 34 + 2 + i % 32])) * half(row, i / 32 * 34)
  }

  private func q4_KValue(_ row: [UInt8], _ i: Int) -> Float {
    let block = i / 256 * 144, j = i % 256 / 32
    let scales = Array(row[block + 4..<block + 16])
    let scale = j < 4 ? scales[j] & 63 : scales[j + 4] & 15 | (scales[j - 4] >> 6) << 4
    let minimum = j < 4 ? scales[j + 4] & 63 : scales[j + 4] >> 4 | (scales[j] >> 6) << 4
    let byte = row[block + 16 + j / 2 * 32 + i % 32]
    let level = j % 2 == 0 ? byte & 15 : byte >> 4
    return half(row, block) * Float(scale) * Float(level) - half(row, block + 2) * Float(minimum)
  }
}
