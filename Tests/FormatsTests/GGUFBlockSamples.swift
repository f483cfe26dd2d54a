import TensorTesting

/// Random blocks of ggml's types, and the values they stand for, worked out bit by bit.
struct GGUFBlockSamples {
  enum Kind: Int, CaseIterable, Sendable {
    case q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q5_K = 13, q6_K = 14

    var elements: Int { rawValue < 10 ? 32 : 256 }
  }

  private let kind: Kind
  private let seed: UInt64

  init(_ kind: Kind, seed: UInt64) { (self.kind, self.seed) = (kind, seed) }

  func rows(_ rows: Int, _ columns: Int) -> (bytes: [UInt8], values: [Float]) {
    var generator = RandomGenerator(seed: seed)
    var (bytes, values): ([UInt8], [Float]) = ([], [])
    for _ in 0..<rows * columns / kind.elements {
      let block = block(&generator)
      bytes += block.bytes
      values += block.values
    }
    return (bytes, values)
  }

  /// Exact in float: small scales with few bits, so that no order of multiplication matters.
  private func block(_ generator: inout RandomGenerator) -> (bytes: [UInt8], values: [Float]) {
    func half(_ value: Float) -> [UInt8] { [UInt8(truncatingIfNeeded: Float16(value).bitPattern), UInt8(Float16(value).bitPattern >> 8)] }
    func pick(_ count: Int) -> Int { Int(generator.next() % UInt64(count)) }
    let (scale, minimum) = (Float(1 + pick(63)) / 64, Float(pick(64)) / 32)
    switch kind {
    case .q4_0, .q4_1, .q5_0, .q5_1:
      let isWide = kind == .q5_0 || kind == .q5_1
      let hasMinimum = kind == .q4_1 || kind == .q5_1
      let quants = (0..<32).map { _ in pick(isWide ? 32 : 16) }
      let high = (0..<4).map { byte in (0..<8).reduce(0) { $0 | (quants[8 * byte + $1] >> 4) << $1 } }
      let low = (0..<16).map { quants[$0] & 15 | (quants[$0 + 16] & 15) << 4 }
      let bytes = half(scale) + (hasMinimum ? half(minimum) : []) + (isWide ? high.map { UInt8($0) } : []) + low.map { UInt8($0) }
      let offset = hasMinimum ? 0 : isWide ? -16 : -8
      return (bytes, quants.map { Float($0 + offset) * scale + (hasMinimum ? minimum : 0) })
    case .q5_K:
      let quants = (0..<256).map { _ in pick(32) }
      let (scales, minima) = ((0..<8).map { _ in pick(64) }, (0..<8).map { _ in pick(64) })
      var packed = [UInt8](repeating: 0, count: 12)
      for group in 0..<4 {
        packed[group] = UInt8(scales[group] | (scales[group + 4] >> 4) << 6)
        packed[group + 4] = UInt8(minima[group] | (minima[group + 4] >> 4) << 6)
        packed[group + 8] = UInt8(scales[group + 4] & 15 | (minima[group + 4] & 15) << 4)
      }
      let high = (0..<32).map { index in (0..<8).reduce(0) { $0 | (quants[32 * $1 + index] >> 4) << $1 } }
      let low = (0..<128).map { index in
        let first = index / 32 * 64 + index % 32
        return quants[first] & 15 | (quants[first + 32] & 15) << 4
      }
      let values = (0..<256).map { scale * Float(scales[$0 / 32]) * Float(quants[$0]) - minimum * Float(minima[$0 / 32]) }
      return (half(scale) + half(minimum) + packed + high.map { UInt8($0) } + low.map { UInt8($0) }, values)
    case .q6_K:
      let quants = (0..<256).map { _ in pick(64) }
      let scales = (0..<16).map { _ in pick(256) - 128 }
      var (low, high) = ([UInt8](repeating: 0, count: 128), [UInt8](repeating: 0, count: 64))
      for (place, quant) in quants.enumerated() {
        let (side, quarter, index) = (place / 128, place % 128 / 32, place % 32)
        low[64 * side + quarter % 2 * 32 + index] |= UInt8(quant & 15) << (quarter < 2 ? 0 : 4)
        high[32 * side + index] |= UInt8(quant >> 4) << UInt8(2 * quarter)
      }
      let values = (0..<256).map { scale * Float(scales[$0 / 16]) * Float(quants[$0] - 32) }
      return (low + high + scales.map { UInt8(bitPattern: Int8($0)) } + half(scale), values)
    }
  }

  /// The file with these bytes, of this type, at its end as tensor `name`. The old ones stay where they are, of no use to anybody.
  func replacing(_ name: String, in parts: GGUFParts, with bytes: [UInt8]) -> [UInt8] {
    var file = parts.bytes
    file += Array(repeating: 0, count: (32 - (file.count - parts.dataStart) % 32) % 32)
    let offset = file.count - parts.dataStart
    // Name, number of dimensions, two of eight bytes, then type and offset.
    let entry = file.indices.first { file[$0...].starts(with: Array(name.utf8)) }! + name.utf8.count + 4 + 16
    for index in 0..<4 { file[entry + index] = UInt8(truncatingIfNeeded: kind.rawValue >> (8 * index)) }
    for index in 0..<8 { file[entry + 4 + index] = UInt8(truncatingIfNeeded: offset >> (8 * index)) }
    return file + bytes
  }
}
