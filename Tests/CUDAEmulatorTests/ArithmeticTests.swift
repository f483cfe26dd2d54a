import Testing

/// The twins of the tensor cores, of conversions and of collectives against what they should be, computed plainly.
@Suite struct ArithmeticTests {
  /// Small multiples of 1/8: exact in bf16 and in tf32, and so are their sums.
  static func values(_ count: Int, _ step: Int) -> [Float] { (0..<count).map { Float(($0 * step) % 31 - 15) / 8 } }
  static func brain(_ x: [Float]) -> [UInt16] { x.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) } }

  /// a [m, k] · b, with b at (k, n) where `right` says.
  static func product(_ m: Int, _ n: Int, _ k: Int, _ a: [Float], _ b: [Float], right: (Int, Int) -> Int) -> [Float] {
    var c = [Float](repeating: 0, count: m * n)
    for i in 0..<m {
      for j in 0..<n {
        var sum = 0.0
        for l in 0..<k { sum += Double(a[i * k + l]) * Double(b[right(l, j)]) }
        c[i * n + j] = Float(sum)
      }
    }
    return c
  }

  @Test(arguments: FaultTests.orders)
  func warpProducts(order: String) throws {
    let emulator = try FaultTests.emulator(order)
    let a = Self.values(256, 7), b = Self.values(128, 5)
    let left = try emulator.upload(Self.brain(a)), right = try emulator.upload(Self.brain(b)), c = try emulator.allocate(512)
    #expect(emulator.launch("mma_bf16", [left, right, c]) == 0)
    #expect(emulator.download(c, count: 128, of: Float(0)) == Self.product(16, 8, 16, a, b) { $1 * 16 + $0 })
    #expect(emulator.launch("mma_transposed", [left, right, c]) == 0)
    #expect(emulator.download(c, count: 128, of: Float(0)) == Self.product(16, 8, 16, a, b) { $0 * 8 + $1 })
    let x = Self.values(128, 11), y = Self.values(64, 3)
    let leftX = try emulator.upload(x), rightY = try emulator.upload(y)
    #expect(emulator.launch("mma_tf32", [leftX, rightY, c]) == 0)
    #expect(emulator.download(c, count: 128, of: Float(0)) == Self.product(16, 8, 8, x, y) { $0 * 8 + $1 })
  }

  struct Map: BitwiseCopyable { var words = InlineArray<16, UInt64>(repeating: 0) }

  /// A map of a row-major bf16 matrix with 128-byte swizzle; the map itself lies at a multiple of 64.
  static func map(_ emulator: Emulator, _ address: UInt64, rows: Int, columns: Int, stride: Int, boxRows: Int) -> (Int32, Map) {
    typealias F =
      @convention(c) (
        UnsafeMutableRawPointer, Int32, UInt32, UInt64, UnsafePointer<UInt64>, UnsafePointer<UInt64>, UnsafePointer<UInt32>,
        UnsafePointer<UInt32>, Int32, Int32, Int32, Int32
      ) -> Int32
    let encode = emulator.symbol("cuTensorMapEncodeTiled", as: F.self)
    let storage = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 64)
    defer { storage.deallocate() }
    storage.initializeMemory(as: UInt64.self, repeating: 0, count: 16)
    let code = encode(
      storage, 9, 2, address, [UInt64(columns), UInt64(rows)], [UInt64(stride)], [64, UInt32(boxRows)], [1, 1], 0, 3, 0, 0)
    return (code, storage.load(as: Map.self))
  }

  @Test(arguments: FaultTests.orders)
  func warpgroupProducts(order: String) throws {
    let emulator = try FaultTests.emulator(order)
    for (name, n) in [("wgmma_64", 64), ("wgmma_128", 128), ("wgmma_256", 256), ("wgmma_unawaited", 64)] {
      for (rows, columns, depth) in [(64, n, 64), (100, n + 40, 200), (3, 5, 8)] {
        let a = Self.values(rows * depth, 7), b = Self.values(columns * depth, 5)
        let left = try emulator.upload(Self.brain(a)), right = try emulator.upload(Self.brain(b)),
          c = try emulator.allocate(rows * columns * 4)
        let (first, leftMap) = Self.map(emulator, left, rows: rows, columns: depth, stride: depth * 2, boxRows: 64)
        let (second, rightMap) = Self.map(emulator, right, rows: columns, columns: depth, stride: depth * 2, boxRows: n)
        #expect(first == 0 && second == 0)
        let shared = 2 * (64 + n) * 128
        let function = try #require(emulator.function("emulator_" + name))
        #expect(emulator.call("cuFuncSetAttribute", function, 8, UInt64(shared)) == 0)
        let parameters: [any BitwiseCopyable] = [c, leftMap, rightMap, Int32(rows), Int32(columns), Int32(depth)]
        #expect(emulator.launch(name, grid: ((columns + n - 1) / n, (rows + 63) / 64), threads: 128, shared: shared, parameters) == 0)
        let result = emulator.download(c, count: rows * columns, of: Float(0))
        if name == "wgmma_unawaited" {
          #expect(result.allSatisfy { $0.isNaN })
        } else {
          #expect(result == Self.product(rows, columns, depth, a, b) { $1 * depth + $0 }, "\(name), \(rows)×\(columns)×\(depth)")
        }
      }
    }
  }

  @Test func mapsThatTheDriverRefuses() throws {
    let emulator = try Emulator()
    let x = try emulator.allocate(1 << 16)
    func code(_ address: UInt64, stride: Int, boxRows: Int = 64, rows: Int = 64) -> Int32 {
      Self.map(emulator, address, rows: rows, columns: 64, stride: stride, boxRows: boxRows).0
    }
    #expect(code(x, stride: 128) == 0)
    #expect(code(x + 8, stride: 128) == 1)
    #expect(code(x, stride: 136) == 1)
    #expect(code(x, stride: 128, boxRows: 257) == 1)
    #expect(code(x, stride: 128, rows: 0) == 1)
    let older = try Emulator(["HOOF_EMULATOR_CAPABILITY": "80"])
    #expect(Self.map(older, x, rows: 64, columns: 64, stride: 128, boxRows: 64).0 == 801)
  }

  @Test func halves() throws {
    let emulator = try Emulator()
    let wide = try emulator.allocate(65536 * 4), narrow = try emulator.allocate(65536 * 2)
    #expect(emulator.launch("halves", grid: (256, 1), threads: 256, [wide, narrow]) == 0)
    let floats = emulator.download(wide, count: 65536, of: Float(0)), bits = emulator.download(narrow, count: 65536, of: UInt16(0))
    for i in 0..<65536 {
      let exponent = i >> 10 & 31, mantissa = i & 1023
      if exponent == 31 && mantissa != 0 {
        guard floats[i].isNaN, bits[i] & 0x7fff > 0x7c00 else { throw Emulator.Failure("half \(i) is NaN") }
        continue
      }
      let magnitude =
        exponent == 31
        ? Float.infinity
        : exponent == 0 ? Float(mantissa) * 0x1p-24 : Float(sign: .plus, exponent: exponent - 25, significand: Float(1024 + mantissa))
      guard floats[i] == (i >= 32768 ? -magnitude : magnitude), bits[i] == UInt16(i) else { throw Emulator.Failure("half \(i)") }
    }
  }

  @Test func rounding() throws {
    let emulator = try Emulator()
    // (value, half, bf16, tf32): ties, the largest, infinities, subnormal halves.
    let cases: [(Float, UInt16, UInt16, UInt32)] = [
      (1.00048828125, 0x3c00, 0x3f80, 0x3f80_2000),  // 1 + 2⁻¹¹: a tie of half (even is below) and of tf32 (away from zero)
      (1.00146484375, 0x3c02, 0x3f80, 0x3f80_4000),  // 1 + 3·2⁻¹¹: the even one is above
      (1.00390625, 0x3c04, 0x3f80, 0x3f80_8000),  // 1 + 2⁻⁸: a tie of bf16
      (1.01171875, 0x3c0c, 0x3f82, 0x3f81_8000),  // 1 + 3·2⁻⁸
      (65519, 0x7bff, 0x4780, 0x477f_e000), (65520, 0x7c00, 0x4780, 0x4780_0000), (-.infinity, 0xfc00, 0xff80, 0xff80_0000),
      (0x1p-24, 1, 0x3380, 0x3380_0000), (0x1p-25, 0, 0x3300, 0x3300_0000), (-0.0, 0x8000, 0x8000, 0x8000_0000),
      (.greatestFiniteMagnitude, 0x7c00, 0x7f80, 0x7f80_0000),
    ]
    let x = try emulator.upload(cases.map(\.0)), count = cases.count
    let half = try emulator.allocate(count * 2), brain = try emulator.allocate(count * 2), tensor = try emulator.allocate(count * 4)
    #expect(emulator.launch("round", [x, half, brain, tensor, Int32(count)]) == 0)
    #expect(emulator.download(half, count: count, of: UInt16(0)) == cases.map(\.1))
    #expect(emulator.download(brain, count: count, of: UInt16(0)) == cases.map(\.2))
    #expect(emulator.download(tensor, count: count, of: UInt32(0)) == cases.map(\.3))
  }

  @Test(arguments: FaultTests.orders)
  func collectives(order: String) throws {
    let emulator = try FaultTests.emulator(order)
    let out = try emulator.allocate(16 * 32 * 4)
    #expect(emulator.launch("collectives", [out]) == 0)
    let result = emulator.download(out, count: 16 * 32, of: Int32(0))
    let votes = (0..<32).reduce(UInt32(0)) { $1 % 3 == 0 ? $0 | 1 << UInt32($1) : $0 }
    let rows: [(Int) -> Int32] = [
      { _ in 3 }, { Int32($0 / 8 * 8 + 1) }, { Int32($0 ^ 5) },
      { Int32($0 < 3 ? $0 : $0 - 3) }, { Int32($0 % 16 < 3 ? $0 : $0 - 3) },
      { Int32($0 > 28 ? $0 : $0 + 3) }, { Int32($0 % 16 > 12 ? $0 : $0 + 3) },
      { _ in Int32(bitPattern: votes) }, { _ in 1 }, { _ in 0 }, { _ in 5 }, { _ in 1 }, { _ in 1 },
      { _ in 496 }, { _ in 31 },
      { 4 + Int32($0) + 3 * 127 - 2 - 128 + Int32($0) },
    ]
    for (row, expected) in rows.enumerated() {
      #expect((0..<32).allSatisfy { result[32 * row + $0] == expected($0) }, "row \(row): \(result[32 * row..<32 * row + 32])")
    }
  }
}
