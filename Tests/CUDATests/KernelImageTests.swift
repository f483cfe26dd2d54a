import CKernels
import TestSupport
import Testing

@testable import BackendCUDA

/// The PTX in the repository comes from the sources beside it: its first line has their SHA-256. (That the compiler makes of these sources
/// these very bytes is what `scripts/kernels.sh --compare` shows.)
@Suite struct KernelImageTests {
  private static let folder = SharedData.packageRoot + "/Sources/CKernels/cuda/"
  private static let names = TestFiles.names(in: folder).filter { $0.hasSuffix(".cu") }.map { String($0.dropLast(3)) }

  @Test("each image has the hash of its sources in its first line, and is what the program carries", arguments: names)
  func hash(name: String) throws {
    let image = try TestFiles.read(KernelImageTests.folder + "ptx/\(name).ptx")
    let headers = try KernelImageTests.headers(of: name + ".cu", [])
    let files = [name + ".cu"] + headers.sorted()
    var bytes: [UInt8] = []
    for file in files { bytes += Array("\(file)\n".utf8) + (try TestFiles.read(KernelImageTests.folder + file)) }
    let target = name.hasSuffix("_sm90a") ? "compute_90a" : "compute_80"
    let expected = "// \(name).cu, \(target), NVRTC 12.1, sha256 \(sha256(bytes)) of \(files.joined(separator: " "))"
    let line = String(decoding: image.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    #expect(line == expected, "run scripts/kernels.sh")
    let embedded = try #require(hoof_cuda_image(name))
    #expect(String(cString: embedded).utf8.elementsEqual(image))
  }

  @Test("every file the backend launches from is there, and every file is launched from")
  func complete() {
    let listed = KernelFile.allCases.map(\.name).sorted()
    #expect(KernelImageTests.names.isEmpty || KernelImageTests.names.sorted() == listed)
  }

  @Test("SHA-256 as FIPS 180-4 gives it")
  func digest() {
    #expect(sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  /// Headers of the folder that a file includes, directly or not.
  private static func headers(of file: String, _ found: Set<String>) throws -> Set<String> {
    var found = found
    for line in try TestFiles.text(folder + file).split(separator: "\n") where line.contains("#") && line.contains("include") {
      let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
      guard parts.count == 3, !found.contains(String(parts[1])), TestFiles.exists(folder + parts[1]) else { continue }
      found = try headers(of: String(parts[1]), found.union([String(parts[1])]))
    }
    return found
  }

  private func sha256(_ bytes: [UInt8]) -> String {
    let length = UInt64(bytes.count * 8)
    let padding = (64 - (bytes.count + 9) % 64) % 64
    let message = bytes + [0x80] + [UInt8](repeating: 0, count: padding) + (0..<8).map { UInt8(length >> (56 - 8 * UInt64($0)) & 0xff) }
    var state: [UInt32] = [
      0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    hoof_sha256_blocks(&state, message, message.count / 64)
    return state.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }
}
