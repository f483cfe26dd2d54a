/// Values of ggml's block types that this program does not compute with. Formulas as the format describes them: d and m are halves, q whole
/// numbers, sums in float in ggml's order.
enum GGUFBlocks {
  /// row: whole blocks of `type` → out: their values.
  /// - Parameter columns: a multiple of the block's elements.
  static func decode(_ row: UnsafeRawPointer, _ type: GGUFType, columns: Int, into out: UnsafeMutablePointer<Float>) {
    let block = type.block
    for index in 0..<columns / block.elements {
      let (from, to) = (row + index * block.bytes, out + index * block.elements)
      switch type {
      case .q4_0: nibbles(from + 2, to, scale: half(from, 0), offset: -8, minimum: 0)
      case .q4_1: nibbles(from + 4, to, scale: half(from, 0), offset: 0, minimum: half(from, 2))
      case .q5_0: nibbles(from + 6, to, scale: half(from, 0), offset: -16, minimum: 0, high: word(from, 2))
      case .q5_1: nibbles(from + 8, to, scale: half(from, 0), offset: 0, minimum: half(from, 2), high: word(from, 4))
      case .q5_K: superBlock5(from, to)
      case .q6_K: superBlock6(from, to)
      case .f32, .f16, .bf16, .q8_0, .q4_K: preconditionFailure("gguf: \(type) is stored as it is")
      }
    }
  }

  private static func half(_ bytes: UnsafeRawPointer, _ offset: Int) -> Float {
    Float(Float16(bitPattern: UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))))
  }

  private static func word(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt32 {
    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  private static func byte(_ bytes: UnsafeRawPointer, _ offset: Int) -> Int { Int(bytes.load(fromByteOffset: offset, as: UInt8.self)) }

  /// 32 values: low nibbles are the first half, high ones the second; bit i of `high` is value i's fifth bit.
  private static func nibbles(
    _ quants: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, scale: Float, offset: Int, minimum: Float, high: UInt32 = 0
  ) {
    for index in 0..<16 {
      let pair = byte(quants, index)
      let first = pair & 15 | Int((high >> UInt32(index)) & 1) << 4
      let second = pair >> 4 | Int((high >> UInt32(index + 16)) & 1) << 4
      out[index] = Float(first + offset) * scale + minimum
      out[index + 16] = Float(second + offset) * scale + minimum
    }
  }

  /// Q5_K: 256 values in eight groups of 32; d, dmin, twelve bytes of 6-bit scales and minima as in Q4_K, 32 bytes of fifth bits (bit g of byte i
  /// belongs to value i of group g), 128 bytes of nibbles.
  private static func superBlock5(_ bytes: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
    let (scale, minimum) = (half(bytes, 0), half(bytes, 2))
    for group in 0..<8 {
      let (factor, base) = scaleAndMinimum(bytes + 4, group)
      let (d, m) = (scale * Float(factor), minimum * Float(base))
      for index in 0..<32 {
        let pair = byte(bytes, 48 + group / 2 * 32 + index)
        let low = group % 2 == 0 ? pair & 15 : pair >> 4
        let fifth = (byte(bytes, 16 + index) >> group) & 1
        out[32 * group + index] = d * Float(low + 16 * fifth) - m
      }
    }
  }

  /// Group g's 6-bit scale and minimum: for the first four the low six bits of bytes g and g + 4; for the others four bits of byte g + 4 each, and
  /// the top two of bytes g - 4 and g.
  private static func scaleAndMinimum(_ bytes: UnsafeRawPointer, _ group: Int) -> (Int, Int) {
    if group < 4 { return (byte(bytes, group) & 63, byte(bytes, group + 4) & 63) }
    return (
      byte(bytes, group + 4) & 15 | (byte(bytes, group - 4) >> 6) << 4, byte(bytes, group + 4) >> 4 | (byte(bytes, group) >> 6) << 4
    )
  }

  /// Q6_K: 256 values in two halves; 128 bytes of low nibbles, 64 of pairs of high bits, 16 signed scales of 16 values each, d.
  private static func superBlock6(_ bytes: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
    let scale = half(bytes, 208)
    for place in 0..<256 {
      let (side, within) = (place / 128, place % 128)
      // Within a half, values 0-63 are the low nibbles of its 64 bytes, 64-127 the high ones; their top bits lie two and two in 32 bytes.
      let pair = byte(bytes, 64 * side + within % 64)
      let low = within < 64 ? pair & 15 : pair >> 4
      let high = (byte(bytes, 128 + 32 * side + within % 32) >> (within / 32 * 2)) & 3
      let factor = Int(Int8(bitPattern: UInt8(byte(bytes, 192 + place / 16))))
      out[place] = scale * Float(factor) * Float((low | high << 4) - 32)
    }
  }
}
