/// GPT-2's printable stand-ins for the 256 bytes: bytes that print stand for themselves, the others for U+0100 onward in order.
enum ByteLevelAlphabet {
  /// Byte → the scalar that stands for it.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      let printable = (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte)
      defer { if !printable { next += 1 } }
      return Unicode.Scalar(printable ? UInt32(byte) : next) ?? "\u{fffd}"
    }
  }()

  /// Scalar value → byte, -1 where no byte is meant.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
    return bytes
  }()

  /// Byte → UTF-8 of its stand-in.
  static let encoded: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  /// The bytes that `piece` stands for; nil when it holds a scalar that stands for none.
  static func decoded(_ piece: Bytes) -> [UInt8]? {
    var out: [UInt8] = []
    out.reserveCapacity(piece.count)
    var at = 0
    while at < piece.count {
      let (scalar, next) = scalar(in: piece, at: at)
      guard scalar.value < bytes.count, bytes[Int(scalar.value)] >= 0 else { return nil }
      out.append(UInt8(bytes[Int(scalar.value)]))
      at = next
    }
    return out
  }

  static func encode(_ word: Bytes, into out: inout [UInt8]) {
    for byte in word { out.append(contentsOf: encoded[Int(byte)]) }
  }
}
