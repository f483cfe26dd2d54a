/// A moment of AdamW in 8 bits an element (arXiv 2110.02861): the tensor's elements, in their order, in blocks of 256, each a code of
/// `DynamicCode` times the block's greatest magnitude. Starts as zeros.
public struct BlockMoment: Sendable {
  /// [blocks, 64] i32: 256 codes a row, one byte each, the first element's in the lowest byte. Behind the last element stands the code of 0.
  public let codes: Tensor
  /// [blocks, 1] f32.
  public let scales: Tensor

  /// Elements of a block.
  public static let elements = 256

  public init(codes: Tensor, scales: Tensor) { (self.codes, self.scales) = (codes, scales) }

  /// For a tensor of `shape`.
  public init(for shape: Shape, on backend: any ComputeBackend) throws(BackendError) {
    let blocks = BlockMoment.blocks(shape)
    codes = try Tensor(blocks, BlockMoment.elements / 4, .i32, on: backend)
    scales = try Tensor(blocks, 1, on: backend)
    backend.fill(scales, with: 0)
    // Whatever the codes are, they mean 0 now; but they are saved, so they have to be the same each time.
    try codes.upload([UInt8](repeating: 0, count: codes.byteCount))
  }

  public static func blocks(_ shape: Shape) -> Int { (shape.count + elements - 1) / elements }
}

/// What the 256 values of a byte mean: bitsandbytes' dynamic codes (`create_dynamic_map`, arXiv 1511.04561 and 2110.02861). Seven decades, from
/// 1e-7 ..< 1e-6 to 0.1 ..< 1, are cut into n equal bins each, n doubling from decade to decade; a code stands for the middle of its bin. Besides
/// there are codes of 0 and of 1, which the greatest value of a block has. All arithmetic is f32, each operation rounded, none fused, so
/// that every backend finds the same codes.
///
///     value of bin j of decade i = (0.1 + 0.9·(j + ½)/n) · 10^(i-6)
///     code of x in decade i:   j = ⌊(x·10^(6-i) - 0.1) · n/0.9⌋, between 0 and n - 1
public enum DynamicCode: Sendable {
  /// -1 ... 1, n from 1 to 64: byte 127 + k is value k, byte 127 - k is minus value k, of k = 0 (0), 1 ... 127 (n + j) and, without
  /// a negative counterpart, 128 (1). Below 1e-7 a number is 0.
  case signed
  /// 0 ... 1, n from 2 to 128: byte 0 is 0, bytes 1 ... 254 are n - 1 + j, byte 255 is 1. What is above 0 does not become 0: a second moment
  /// of 0 would leave nothing but epsilon to divide by.
  case unsigned

  /// Of each byte.
  public var values: [Float] {
    (0..<256).map { byte in
      switch self {
      case .signed:
        let k = abs(byte - 127)
        return k == 0 ? 0 : (byte < 127 ? -1 : 1) * (k == 128 ? 1 : DynamicCode.middle(k, decade: k.exponent))
      case .unsigned:
        return byte == 0 ? 0 : byte == 255 ? 1 : DynamicCode.middle(byte + 1, decade: (byte + 1).exponent - 1)
      }
    }
  }

  /// Of bin j where `bin` is n + j and n the power of two in it.
  private static func middle(_ bin: Int, decade: Int) -> Float {
    let n = 1 << bin.exponent
    let share = (Float(bin - n) + 0.5) / Float(n)
    let tens: [Float] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]
    return (0.1 + 0.9 * share) * tens[decade]
  }

  /// The code of x, a number divided by its block's greatest magnitude. NaN becomes some code.
  public func code(of x: Float) -> UInt8 {
    let size = abs(x)
    var (bins, scale): (Float, Float) = (self == .signed ? 1 : 2, 1e6)
    for (least, tens) in [(1e-6, 1e5), (1e-5, 1e4), (1e-4, 1e3), (1e-3, 1e2), (1e-2, 10), (1e-1, 1)] as [(Float, Float)] where size >= least
    {
      (bins, scale) = (bins * 2, tens)
    }
    let place = (size * scale - 0.1) * (bins * 1.11111116)
    let bin = Int(bins) + Int(place > 0 ? (place < bins - 1 ? place : bins - 1) : 0)
    switch self {
    case .signed:
      let k = size < 1e-7 ? 0 : size >= 1 ? 128 : bin
      return UInt8(x < 0 ? 127 - min(k, 127) : 127 + k)
    case .unsigned:
      return size < 1e-7 ? (size > 0 ? 1 : 0) : size >= 1 ? 255 : UInt8(bin - 1)
    }
  }
}

extension Int {
  /// ⌊log₂⌋ of a positive number.
  fileprivate var exponent: Int { Int.bitWidth - 1 - leadingZeroBitCount }
}
