import TensorCore

/// SplitMix64: the same seed gives the same inputs on every machine.
public struct RandomGenerator: RandomNumberGenerator, Sendable {
  private var numbers: SplitMix64
  public init(seed: UInt64) { numbers = SplitMix64(seed: seed) }

  public mutating func next() -> UInt64 { numbers.next() }

  /// Uniform with mean 0 and variance 1, so within ±√3; exactly representable as f32.
  public mutating func unit() -> Float { (Float(next() >> 40) * 0x1p-23 - 1) * 1.7320508 }

  /// A multiple of 2⁻⁷ within ±2: exact in every dense type, and sums of a few thousand products of two are exact in f32.
  public mutating func coarse() -> Float { Float(Int(next() >> 55) - 256) * 0x1p-7 }

  public mutating func matrix(_ rows: Int, _ columns: Int, scale: Float = 1) -> Matrix {
    Matrix(rows, columns, (0..<rows * columns).map { _ in Double(unit() * scale) })
  }

  /// The bytes of `count` rows of random weights of a type. Quantised blocks are put together from random scales and quants, so no
  /// quantiser is needed; blocks that reach over the end of a row hold numbers there that must not be used.
  public mutating func weightBytes(_ dtype: DType, rows: Int, columns: Int) -> [UInt8] {
    let byteCount = dtype.rowBytes(columns: columns) * rows
    return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      count = byteCount
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      let size = dtype.block.bytes
      for at in stride(from: 0, to: byteCount, by: size) {
        let random = next()
        switch dtype {
        case .f32: bytes.storeBytes(of: (Float(random >> 40) * 0x1p-23 - 1) * 1.7320508, toByteOffset: at, as: Float.self)
        case .i32: bytes.storeBytes(of: Int32(truncatingIfNeeded: random) >> 8, toByteOffset: at, as: Int32.self)
        // ±0.25 ..< 1, with every fraction bit in use.
        case .f16: bytes.storeBytes(of: UInt16(random & 0x87ff) + 0x3400, toByteOffset: at, as: UInt16.self)
        case .bf16: bytes.storeBytes(of: UInt16(random & 0x80ff) + 0x3e80, toByteOffset: at, as: UInt16.self)
        case .q8_0: q8Block(UnsafeMutableRawBufferPointer(rebasing: bytes[at..<at + size]), random)
        case .q4_K: q4Block(UnsafeMutableRawBufferPointer(rebasing: bytes[at..<at + size]), random)
        }
      }
    }
  }

  /// d about 1.7/127; quants within ±127. One block in sixteen is all zero, as a quantiser writes it.
  private mutating func q8Block(_ block: UnsafeMutableRawBufferPointer, _ random: UInt64) {
    let isZero = random >> 60 == 0
    block.storeBytes(of: isZero ? 0 : UInt16(0x2200 + random & 0x1ff), as: UInt16.self)
    for i in stride(from: 2, to: 34, by: 8) {
      let quants = next()
      for j in 0..<8 {
        let quant = Int8(truncatingIfNeeded: quants >> UInt64(8 * j))
        block.storeBytes(of: isZero ? 0 : max(quant, -127), toByteOffset: i + j, as: Int8.self)
      }
    }
  }

  /// d about 1/500 and dmin about 7.5 d, so that values lie on both sides of zero; the packed scales and the nibbles take every value.
  private mutating func q4Block(_ block: UnsafeMutableRawBufferPointer, _ random: UInt64) {
    block.storeBytes(of: UInt16(0x1800 + random & 0x1ff), as: UInt16.self)
    block.storeBytes(of: UInt16(0x2380 + (random >> 16) & 0xff), toByteOffset: 2, as: UInt16.self)
    for i in stride(from: 4, to: 140, by: 8) { block.storeBytes(of: next(), toByteOffset: i, as: UInt64.self) }
    block.storeBytes(of: UInt32(truncatingIfNeeded: next()), toByteOffset: 140, as: UInt32.self)
  }
}
