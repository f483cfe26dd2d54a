@testable import Formats
import Glibc
import TensorCore
import TestSupport
import Testing

@Suite("One file of program and model")
struct PackageTests {
  /// A .hoof file, a stand-in for the program, and their package.
  private func make(_ folder: TemporaryFolder, engine: Int = 100_000) throws -> (package: String, model: String) {
    let small = try SmallModels.folder()
    try ModelImport(ModelSource.open(path: small.path)).write(to: folder.file("model.hoof"), threads: 1)
    try folder.write("engine", (0..<engine).map { UInt8(truncatingIfNeeded: $0) })
    let settings = PackageSettings(name: "movie pitcher", system: "You pitch films.\nShortly.")
    try PackageWriter.write(
      engine: folder.file("engine"), model: folder.file("model.hoof"), settings: settings, to: folder.file("package"), replacing: false)
    return (folder.file("package"), folder.file("model.hoof"))
  }

  @Test("the package begins with the program, holds the model at a page, and says what it was given")
  func parts() throws {
    let folder = try TemporaryFolder()
    let (path, _) = try make(folder)
    let package = try #require(try PackagedModel.find(path: path))
    #expect(
      package.engineBytes == 100_000 && package.settings == PackageSettings(name: "movie pitcher", system: "You pitch films.\nShortly."))
    #expect(package.model.lowerBound == 131_072)
    let bytes = try folder.read("package")
    #expect(Array(bytes[..<100_000]) == (try folder.read("engine")))
    #expect(Array(bytes[package.model]) == (try folder.read("model.hoof")))
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o100 != 0)
  }

  @Test("a package opens as its model does, tensor by tensor")
  func opens() throws {
    let folder = try TemporaryFolder()
    let (path, model) = try make(folder)
    let (packed, plain) = (try ModelSource.open(path: path), try ModelSource.open(path: model))
    #expect(packed.config == plain.config && packed.fingerprint() == plain.fingerprint() && packed.tensors.count == plain.tensors.count)
    for (name, tensor) in plain.tensors {
      #expect(packed.tensors[name]!.bytes.elementsEqual(tensor.bytes), "\(name)")
      #expect(UInt(bitPattern: packed.tensors[name]!.bytes.baseAddress!) % 64 == 0, "\(name) is not aligned")
    }
  }

  @Test("a package made by a package has one program and one model")
  func again() throws {
    let folder = try TemporaryFolder()
    let (path, model) = try make(folder)
    try PackageWriter.write(
      engine: path, model: model, settings: PackageSettings(name: "other"), to: folder.file("second"), replacing: false)
    let second = try #require(try PackagedModel.find(path: folder.file("second")))
    #expect(second.engineBytes == 100_000 && second.settings == PackageSettings(name: "other"))
  }

  @Test("a program without a model is no package, a damaged package says so")
  func damage() throws {
    let folder = try TemporaryFolder()
    let (path, _) = try make(folder)
    #expect(try PackagedModel.find(path: folder.file("engine")) == nil)
    #expect(try PackagedModel.find(path: folder.file("absent")) == nil)
    let whole = try folder.read("package")
    let trailer = whole.count - PackageTrailer.byteCount
    for place in [8, 16, 24, 40, 56, 60] {
      var bytes = whole
      bytes[trailer + place] ^= 1
      try folder.write("damaged", bytes)
      #expect(throws: FormatError.self, "byte \(place)") { try PackagedModel.find(path: folder.file("damaged")) }
    }
    // The front cut off: the trailer is whole and points beyond what is there.
    try folder.write("short", Array(whole.dropFirst(whole.count - PackageTrailer.byteCount - 200)))
    #expect(throws: FormatError.self) { try PackagedModel.find(path: folder.file("short")) }
    // The model's own checks hold inside a package.
    var bytes = whole
    bytes[131_072 + 20] ^= 1
    try folder.write("model damaged", bytes)
    #expect(throws: FormatError.self) { try ModelSource.open(path: folder.file("model damaged")) }
    #expect(try ModelSource.open(path: path).config.layers.count > 0)
  }

  @Test("what a program asks of a machine is what its dynamic section says")
  func needs() throws {
    let own = try ExecutableNeeds(path: "/proc/self/exe")
    #expect(own.libraries.contains("libc.so.6") && own.glibc.map { $0 >= .init(2, 2) && $0 < .init(9, 0) } == true)
    #expect(!own.foreign.contains("libc.so.6") && !own.foreign.contains("libm.so.6"))
    #expect(ExecutableNeeds.Version(symbol: "GLIBC_2.2.5") == .init(2, 2) && ExecutableNeeds.Version(symbol: "GCC_3.0") == nil)
    #expect(ExecutableNeeds.Version(2, 9) < .init(2, 34))
    let folder = try TemporaryFolder()
    let program = try TestFiles.read("/proc/self/exe")
    try folder.write("text", "#!/bin/sh\n")
    #expect(throws: FormatError.self) { try ExecutableNeeds(path: folder.file("text")) }
    // Cut anywhere, it is refused or read, never beyond its end.
    for length in [40, 64, 100, 300, 1000, 4096, program.count / 2] {
      try folder.write("cut", Array(program[..<length]))
      _ = try? ExecutableNeeds(path: folder.file("cut"))
    }
  }
}
