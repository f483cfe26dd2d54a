import Glibc
import TensorCore

/// Normally distributed values by look-up: 4096 quantiles, already in the type they are written as.
struct NormalTable: Sendable {
  private let words: [UInt32]
  private let width: Int
  private static let size = 4096

  init(mean: Double, deviation: Double, dtype: DType) {
    width = dtype.block.bytes
    words = NormalTable.quantiles.map { quantile in
      let value = Float(mean + deviation * quantile)
      switch dtype {
      case .bf16: return (value.bitPattern + 0x7fff + (value.bitPattern >> 16 & 1)) >> 16
      case .f16: return UInt32(Float16(value).bitPattern)
      default: return value.bitPattern
      }
    }
  }

  private static let quantiles = (0..<size).map { quantile((Double($0) + 0.5) / Double(size)) }

  /// The x for which a standard normal value is below x with probability p; by bisection, once per table entry.
  private static func quantile(_ p: Double) -> Double {
    var (low, high) = (-6.0, 6.0)
    for _ in 0..<50 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// `count` values drawn with SplitMix64 from `stream`, five from each number.
  func fill(_ bytes: inout [UInt8], count: Int, stream: UInt64) {
    if bytes.count != count * width { bytes = Array(repeating: 0, count: count * width) }
    words.withUnsafeBufferPointer { words in
      bytes.withUnsafeMutableBytes { out in
        var state = stream
        var bits: UInt64 = 0
        for index in 0..<count {
          if index % 5 == 0 {
            state &+= 0x9e37_79b9_7f4a_7c15
            bits = state
            bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
            bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
            bits ^= bits >> 31
          }
          let word = words[Int(bits & 4095)]
          bits >>= 12
          if width == 2 {
            out.storeBytes(of: UInt16(truncatingIfNeeded: word), toByteOffset: 2 * index, as: UInt16.self)
          } else {
            out.storeBytes(of: word, toByteOffset: 4 * index, as: UInt32.self)
          }
        }
      }
    }
  }
}
