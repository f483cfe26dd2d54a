import TensorCore

/// What the bytes of each storage type mean, written from the format descriptions alone (IEEE 754, GGUF), as a second opinion on the
/// conversions of the backends.
enum ElementFormat {
  /// 1 sign, 5 exponent, 10 fraction bits.
  static func half(_ bits: UInt16) -> Double { binary(bits, exponentBits: 5, fractionBits: 10) }
  /// 1 sign, 8 exponent, 7 fraction bits: the upper half of an f32.
  static func brain(_ bits: UInt16) -> Double { binary(bits, exponentBits: 8, fractionBits: 7) }

  static func halfBits(_ value: Double) -> UInt16 { binaryBits(value, exponentBits: 5, fractionBits: 10) }
  static func brainBits(_ value: Double) -> UInt16 { binaryBits(value, exponentBits: 8, fractionBits: 7) }

  private static func binary(_ bits: UInt16, exponentBits: Int, fractionBits: Int) -> Double {
    let sign: Double = bits >> 15 == 0 ? 1 : -1
    let exponent = Int(bits >> UInt16(fractionBits)) & (1 << exponentBits - 1)
    let fraction = Int(bits) & (1 << fractionBits - 1)
    let bias = 1 << (exponentBits - 1) - 1
    if exponent == 1 << exponentBits - 1 { return fraction == 0 ? sign * .infinity : .nan }
    let significand = exponent == 0 ? fraction : fraction + 1 << fractionBits
    return sign * Double(significand) * power(max(exponent, 1) - bias - fractionBits)
  }

  /// Of a bf16 or f16: away from zero when `threshold` is below what truncating would drop, as a share of a unit in the last place.
  static func bits(_ value: Double, _ dtype: DType, upBelow threshold: Double) -> UInt16 {
    binaryBits(value, exponentBits: dtype == .bf16 ? 8 : 5, fractionBits: dtype == .bf16 ? 7 : 10) { units in
      let whole = units.rounded(.down)
      return whole + (threshold < units - whole ? 1 : 0)
    }
  }

  /// Nearest representable value, ties to even, unless told otherwise; overflow gives infinity.
  /// - Parameter rounded: makes a number of units in the last place a whole one.
  private static func binaryBits(
    _ value: Double, exponentBits: Int, fractionBits: Int, rounded: (Double) -> Double = { $0.rounded(.toNearestOrEven) }
  ) -> UInt16 {
    let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
    let special = UInt16(1 << exponentBits - 1) << UInt16(fractionBits)
    if value.isNaN { return sign | special | UInt16(1 << (fractionBits - 1)) }
    if value.isInfinite { return sign | special }
    if value == 0 { return sign }
    let bias = 1 << (exponentBits - 1) - 1
    let exponent = max(Int(value.magnitude.exponent), 1 - bias)
    // In units of the last place. Rounding up into the next binade carries into the exponent field by itself.
    let units = Int(rounded(value.magnitude / power(exponent - fractionBits)))
    let encoded = units + (exponent + bias - 1) << fractionBits
    return sign | UInt16(min(encoded, Int(special)))
  }

  private static func power(_ exponent: Int) -> Double { Double(sign: .plus, exponent: exponent, significand: 1) }

  /// One Q8_0 block: f16 scale d, 32 signed bytes; value = d·q.
  static func decodeQ8(_ block: UnsafeRawPointer, into out: UnsafeMutablePointer<Double>) {
    let d = half(block.loadUnaligned(as: UInt16.self))
    for i in 0..<32 { out[i] = d * Double(block.load(fromByteOffset: 2 + i, as: Int8.self)) }
  }

  /// One Q4_K super-block: f16 d, f16 dmin, 12 bytes of 6-bit scales and minima for 8 sub-blocks of 32, 128 bytes of nibbles;
  /// value = d·scale·q - dmin·minimum.
  static func decodeQ4(_ block: UnsafeRawPointer, into out: UnsafeMutablePointer<Double>) {
    let d = half(block.loadUnaligned(as: UInt16.self))
    let dmin = half(block.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    func byte(_ i: Int) -> Int { Int(block.load(fromByteOffset: i, as: UInt8.self)) }
    func packed(_ i: Int) -> Int { byte(4 + i) }
    for j in 0..<8 {
      // The first four scales and minima are whole; the rest are split into low nibbles (bytes 8...11) and the top bits of bytes 0...7.
      let scale = j < 4 ? packed(j) & 63 : packed(j + 4) & 15 | (packed(j - 4) >> 6) << 4
      let minimum = j < 4 ? packed(j + 4) & 63 : packed(j + 4) >> 4 | (packed(j) >> 6) << 4
      for l in 0..<32 {
        // Sub-blocks 2i and 2i + 1 share 32 bytes: low nibbles first.
        let pair = byte(16 + j / 2 * 32 + l)
        let q = j % 2 == 0 ? pair & 15 : pair >> 4
        out[j * 32 + l] = d * Double(scale) * Double(q) - dmin * Double(minimum)
      }
    }
  }
}
