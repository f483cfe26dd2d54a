@testable import Formats
import Glibc
import TensorCore
import Testing
import TestSupport

@Suite("Files appear under their name only when they are complete")
struct OutputFileTests {
  private func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("an existing file is refused, kept, and replaced only when asked")
  func existing() throws {
    let folder = try SmallModels.folder()
    let plan = try ModelImport(ModelSource.open(path: folder.path))
    try folder.write("out.hoof", "precious")
    #expect(message { try plan.write(to: folder.file("out.hoof"), threads: 1) }.hasSuffix("out.hoof: exists already; --force replaces it"))
    #expect(try folder.read("out.hoof") == Array("precious".utf8))
    try plan.write(to: folder.file("out.hoof"), replacing: true, threads: 1)
    #expect(try ModelSource.open(path: folder.file("out.hoof")).config == plan.config)
    #expect(folder.names() == ["config.json", "model.safetensors", "out.hoof"])
  }

  /// true: O_TMPFILE where there is such a thing; false: a hidden name.
  @Test("a file that somebody else makes in the meantime is not overwritten", arguments: [true, false])
  func race(mayBeUnnamed: Bool) throws {
    let folder = try TemporaryFolder()
    var output: OutputFile? = try OutputFile(path: folder.file("out"), byteCount: 3, replacing: false, mayBeUnnamed: mayBeUnnamed)
    try output!.write([1, 2, 3], at: 0)
    try folder.write("out", "theirs")
    #expect(message { try output!.commit() }.hasSuffix("out: exists already; --force replaces it"))
    output = nil
    #expect(try folder.read("out") == Array("theirs".utf8))
    #expect(folder.names() == ["out"])
  }

  @Test("nothing has the name before commit, and nothing stays of a file that is given up", arguments: [true, false], [true, false])
  func givenUp(mayBeUnnamed: Bool, replacing: Bool) throws {
    let folder = try TemporaryFolder()
    var output: OutputFile? = try OutputFile(path: folder.file("out"), byteCount: 1 << 20, replacing: replacing, mayBeUnnamed: mayBeUnnamed)
    try output!.write([1], at: 0)
    #expect(!folder.names().contains("out"))
    output = nil
    #expect(folder.names() == [])
  }

  @Test("a committed file has its bytes and no companions", arguments: [true, false], [true, false])
  func committed(mayBeUnnamed: Bool, replacing: Bool) throws {
    let folder = try TemporaryFolder()
    if replacing { try folder.write("out", "something longer") }
    var output: OutputFile? = try OutputFile(path: folder.file("out"), byteCount: 4, replacing: replacing, mayBeUnnamed: mayBeUnnamed)
    try output!.write([3, 4], at: 2)
    try output!.write([1, 2], at: 0)
    try output!.commit()
    output = nil
    #expect(try folder.read("out") == [1, 2, 3, 4])
    #expect(folder.names() == ["out"])
  }

  @Test("the source itself is never the target, not even under another name")
  func sourceIsTarget() throws {
    let folder = try SmallModels.folder()
    try ModelImport(ModelSource.open(path: folder.path)).write(to: folder.file("a.hoof"), threads: 1)
    symlink("a.hoof", folder.file("b.hoof"))
    let plan = try ModelImport(ModelSource.open(path: folder.file("a.hoof")), cut: .init(keepLayers: [0], method: "x"))
    for name in ["a.hoof", "b.hoof", "model.safetensors"] {
      let refusal = message { try plan.write(to: folder.file(name), replacing: name != "model.safetensors", threads: 1) }
      #expect(refusal.contains(name == "model.safetensors" ? "exists already" : "is the source itself"), "\(refusal)")
    }
    #expect(try ModelSource.open(path: folder.file("a.hoof")).config.layers.count == 4)
  }

  @Test("folders that are missing, names that are folders, and devices")
  func badTargets() throws {
    let folder = try TemporaryFolder()
    func refusal(_ path: String) -> String { message { _ = try OutputFile(path: path, byteCount: 1, replacing: true) } }
    #expect(refusal(folder.file("none/out")).hasSuffix("none/out: cannot be written: No such file or directory"))
    #expect(refusal(folder.path).contains("is a folder"))
    #expect(refusal("/dev/null").contains("is not a regular file"))
  }

  @Test("a read-only folder", .enabled(if: geteuid() != 0, "the superuser may write everywhere"))
  func readOnly() throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o500)
    #expect(
      message { _ = try OutputFile(path: folder.file("out"), byteCount: 1, replacing: false) }.hasSuffix(
        "out: cannot be written: Permission denied"))
  }

  @Test("more than the disk holds is refused before anything is written, and leaves nothing")
  func fullDisk() throws {
    let folder = try TemporaryFolder()
    let refusal = message { _ = try OutputFile(path: folder.file("out"), byteCount: 1 << 50, replacing: false) }
    #expect(refusal.contains("out: cannot be written: 1073741824 MiB are needed"), "\(refusal)")
    #expect(folder.names() == [])
  }
}
