import CKernels

/// SHA-256 (FIPS 180-4) of bytes that may come in pieces.
public struct SHA256 {
  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  private var pending: [UInt8] = []
  private var count: UInt64 = 0

  public init() {}

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    count += UInt64(bytes.count)
    var used = 0
    if !pending.isEmpty {
      used = min(64 - pending.count, bytes.count)
      pending.append(contentsOf: bytes[..<used])
      guard pending.count == 64 else { return }
      hoof_sha256_blocks(&state, pending, 1)
      pending.removeAll(keepingCapacity: true)
    }
    let blocks = (bytes.count - used) / 64
    hoof_sha256_blocks(&state, start + used, blocks)
    pending.append(contentsOf: bytes[(used + 64 * blocks)...])
  }

  public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }
  public mutating func update(_ text: String) { update(Array(text.utf8)) }

  /// The 32 bytes of the digest.
  public func digest() -> [UInt8] {
    var last = self
    var padding: [UInt8] = [0x80]
    padding += Array(repeating: 0, count: (119 - last.pending.count) % 64)
    padding += (0..<8).map { UInt8(truncatingIfNeeded: (count << 3) >> (56 - 8 * UInt64($0))) }
    last.update(padding)
    return last.state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
  }

  /// The digest as 64 lower-case hexadecimal digits.
  public func hexDigest() -> String {
    let digits = Array("0123456789abcdef")
    return String(digest().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  public static func hex(of bytes: [UInt8]) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.hexDigest()
  }
}

/// CRC-32C (Castagnoli): finds damage, not malice.
public enum CRC32C {
  /// The sum of `bytes`, or of what `crc` is the sum of followed by `bytes`.
  public static func sum(_ bytes: UnsafeRawBufferPointer, after crc: UInt32 = 0) -> UInt32 {
    hoof_crc32c(crc, bytes.baseAddress, bytes.count)
  }

  public static func sum(_ bytes: [UInt8], after crc: UInt32 = 0) -> UInt32 { bytes.withUnsafeBytes { sum($0, after: crc) } }

  /// The sum of A followed by B, so that parts can be summed at the same time.
  public static func joined(_ a: UInt32, _ b: UInt32, secondByteCount: Int) -> UInt32 { hoof_crc32c_combine(a, b, UInt64(secondByteCount)) }
}
