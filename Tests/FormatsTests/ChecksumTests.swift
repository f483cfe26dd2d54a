import CKernels
import Formats
import Testing

@Suite("Checksums")
struct ChecksumTests {
  @Test(
    "SHA-256 gives the standard's own vectors",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ])
  func sha256(text: String, digest: String) {
    #expect(SHA256.hex(of: Array(text.utf8)) == digest)
  }

  @Test("SHA-256 of a million letters, fed in pieces of uneven length")
  func sha256InPieces() {
    var hash = SHA256()
    var left = 1_000_000
    var piece = 1
    while left > 0 {
      let count = min(piece, left)
      hash.update([UInt8](repeating: UInt8(ascii: "a"), count: count))
      left -= count
      piece = piece * 3 % 1009 + 1
    }
    #expect(hash.hexDigest() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test("CRC-32C gives the vectors of RFC 3720")
  func crc32c() {
    #expect(CRC32C.sum([]) == 0)
    #expect(CRC32C.sum(Array("123456789".utf8)) == 0xe306_9283)
    #expect(CRC32C.sum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.sum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(CRC32C.sum((0..<32).map { UInt8($0) }) == 0x46dd_794e)
  }

  /// Past three streams the fast path interleaves; its result must not depend on where the data is cut.
  @Test("CRC-32C of long data is the same in one piece, in two, joined, and byte by byte", arguments: [1, 4095, 49_151, 49_152, 150_001])
  func crc32cInPieces(count: Int) {
    var state: UInt32 = 1
    let bytes: [UInt8] = (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(truncatingIfNeeded: state >> 24)
    }
    let whole = CRC32C.sum(bytes)
    let cut = count / 3
    let (head, tail) = (Array(bytes[..<cut]), Array(bytes[cut...]))
    #expect(CRC32C.sum(tail, after: CRC32C.sum(head)) == whole)
    #expect(CRC32C.joined(CRC32C.sum(head), CRC32C.sum(tail), secondByteCount: tail.count) == whole)
    #expect(bytes.reduce(0) { CRC32C.sum([$1], after: $0) } == whole)
  }

  @Test("the portable paths agree with the processor's instructions", arguments: [0, 1, 63, 64, 1000, 60_000])
  func portablePaths(count: Int) {
    let bytes: [UInt8] = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 &+ 7 &* $0) }
    #expect(hoof_crc32c_scalar(5, bytes, count) == hoof_crc32c(5, bytes, count))
    var (portable, fast) = ([UInt32](repeating: 7, count: 8), [UInt32](repeating: 7, count: 8))
    hoof_sha256_blocks_scalar(&portable, bytes, count / 64)
    hoof_sha256_blocks(&fast, bytes, count / 64)
    #expect(portable == fast)
  }
}
