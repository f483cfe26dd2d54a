import TensorCore

/// Changes valid inputs into almost valid ones. What comes out depends on seed and index alone, so that a crash can be repeated.
public struct Mutator: Sendable {
  private let seeds: [[UInt8]]
  private let seed: UInt64

  public init(seeds: [[UInt8]], seed: UInt64) {
    precondition(!seeds.isEmpty, "mutator: no valid input to start from")
    self.seeds = seeds
    self.seed = seed
  }

  public func input(_ index: Int) -> [UInt8] {
    var random = SplitMix64(seed: seed ^ UInt64(index) &* 0x9e37_79b9_7f4a_7c15)
    var bytes = seeds[random.below(seeds.count)]
    for _ in 0..<(1 + random.below(4)) { mutate(&bytes, &random) }
    return bytes
  }

  /// Sizes at the edges of what integers hold, and what JSON allows besides.
  private static let words: [[UInt8]] = [
    "0", "-1", "1", "2", "255", "65536", "2147483648", "4294967296", "4611686018427387904", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "18446744073709551615", "1e308", "-1e999", "0.5", "1e-9", "null", "true", "[]", "{}", "\"\"", "\"../x\"",
    "[[[[[[[[",
    "{\"a\":{\"a\":", "\\ud800", "\\u0000", ",", "\u{7f}", "\"F64\"", "\"q4_K\"", "\"yarn\"", "\"llama3\"",
  ].map { Array($0.utf8) }

  private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    guard !bytes.isEmpty else { return bytes = seeds[random.below(seeds.count)] }
    // Headers stand at the front: half of the changes go there.
    let reach = random.below(2) == 0 ? min(bytes.count, 256) : bytes.count
    let at = random.below(reach)
    let length = min(bytes.count - at, 1 + random.below(random.below(4) == 0 ? 256 : 8))
    switch random.below(9) {
    case 0: bytes[at] ^= 1 << UInt8(random.below(8))
    case 1: bytes[at] = UInt8(random.below(256))
    case 2: bytes.removeSubrange(at..<at + length)
    case 3: bytes.insert(contentsOf: Array(bytes[at..<at + length]), at: at)
    case 4: bytes.removeLast(bytes.count - at)
    case 5: bytes.insert(contentsOf: Mutator.words[random.below(Mutator.words.count)], at: at)
    case 6: replaceNumber(&bytes, from: at, &random)
    case 7:
      let other = seeds[random.below(seeds.count)]
      let start = random.below(max(other.count, 1))
      bytes.replaceSubrange(at..<at + length, with: other[start..<min(other.count, start + 64)])
    default:
      // An eight-byte size, as binary headers have them.
      let sizes: [UInt64] = [0, 1, 7, 8, 63, 4096, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max, UInt64(bytes.count), UInt64(bytes.count) - 1]
      let size = sizes[random.below(sizes.count)]
      for index in 0..<8 where at / 8 * 8 + index < bytes.count {
        bytes[at / 8 * 8 + index] = UInt8(truncatingIfNeeded: size >> (8 * UInt64(index)))
      }
    }
  }

  /// Replaces the next written number, or quoted word, by another.
  private func replaceNumber(_ bytes: inout [UInt8], from start: Int, _ random: inout SplitMix64) {
    func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    guard let first = bytes[start...].firstIndex(where: isDigit) else { return }
    let end = bytes[first...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(first..<end, with: Mutator.words[random.below(Mutator.words.count)])
  }
}

extension SplitMix64 {
  fileprivate mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
