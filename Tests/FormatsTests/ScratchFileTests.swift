@testable import Formats
import TestSupport
import Testing

struct ScratchFileTests {
  @Test("what is written is read, wherever it lies, and the folder stays empty")
  func contents() throws {
    let folder = try TemporaryFolder()
    let scratch = try ScratchFile(byteCount: 20_000, folder: folder.path)
    #expect(folder.names().isEmpty && scratch.bytes.count == 20_000)
    #expect(scratch.bytes.allSatisfy { $0 == 0 })
    try scratch.write([1.5, -2, .infinity], at: 8192)
    try scratch.write([7], at: 19_996)
    try scratch.write([3], at: 8196)
    #expect(scratch.bytes.loadUnaligned(fromByteOffset: 8192, as: Float.self) == 1.5)
    #expect(scratch.bytes.loadUnaligned(fromByteOffset: 8196, as: Float.self) == 3)
    #expect(scratch.bytes.loadUnaligned(fromByteOffset: 19_996, as: Float.self) == 7)
  }

  @Test("a folder that is not there, or has no room, is named with what to do")
  func refused() throws {
    #expect { try ScratchFile(byteCount: 10, folder: "/nowhere/at all") } throws: {
      "\($0)".hasPrefix("/nowhere/at all: scratch space") && "\($0)".contains("TMPDIR")
    }
    let folder = try TemporaryFolder()
    #expect { try ScratchFile(byteCount: 1 << 60, folder: folder.path) } throws: { "\($0)".contains("TMPDIR") }
    #expect(folder.names().isEmpty)
  }
}
