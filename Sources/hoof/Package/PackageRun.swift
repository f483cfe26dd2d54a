import Formats
import Glibc
import JSON
import Terminal

/// `hoof package MODEL -o FILE`: this program and a model in one file.
struct PackageRun {
  private let arguments: Arguments
  private let modelPath: String
  private let output: String
  private let settings: PackageSettings

  /// What every machine has that a universal package promises to run on: Ubuntu 22.04's.
  private static let oldestGlibc = ExecutableNeeds.Version(2, 35)

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    modelPath = arguments.first("MODEL")!
    guard let output = arguments.string("output") else { throw UsageError(command: "package", "-o is missing: -o FILE") }
    self.output = output
    let name = arguments.string("name") ?? String(output.split(separator: "/").last ?? "model")
    guard !name.isEmpty, !name.contains(where: \.isNewline) else {
      throw UsageError(command: "package", "--name: a name of one line is wanted")
    }
    settings = PackageSettings(name: name, system: arguments.string("system"))
  }

  func run() throws {
    // A package's own program is cut out of it.
    let engine = OwnExecutable.path
    if arguments.has("universal") { try Self.checkUniversal(engine) }
    try OutputFile.check(output, replacing: arguments.has("force"))
    let source = try Models.open(modelPath)
    _ = try Models.requiredTokenizer(of: source)
    let packed = try modelFile(source)
    defer { if let made = packed.made { unlink(made) } }
    if sameFile(packed.path, output) { throw CommandError("is the model itself; choose another name for the package", at: output) }
    let modelBytes = try MappedFile(path: packed.path).byteCount
    let progress = Progress("packaging", total: Double(modelBytes), unit: .bytes, quiet: arguments.has("quiet"))
    try PackageWriter.write(
      engine: engine, model: packed.path, settings: settings, to: output, replacing: arguments.has("force")
    ) { bytes in
      progress.advance(by: Double(bytes))
      try Interrupt.check(saved: "nothing was written")
    }
    progress.finish()
    try report(modelBytes: modelBytes, fileBytes: MappedFile(path: output).byteCount)
  }

  /// The .hoof file that goes in: the model's own, or one that is made beside the package and removed afterwards.
  private func modelFile(_ source: ModelSource) throws -> (path: String, made: String?) {
    if try HoofFile.isHoofFile(modelPath) { return (modelPath, nil) }
    let path = "\(output).\(getpid()).hoof"
    let plan: ModelImport
    do throws(FormatError) { plan = try ModelImport(source) } catch { throw CommandError(error.description) }
    try Creation.write(plan, to: path, arguments)
    return (path, path)
  }

  private static func checkUniversal(_ engine: String) throws {
    let needs = try ExecutableNeeds(path: engine)
    let advice = "make universal builds a hoof that needs glibc alone: package with .build/universal/release/hoof"
    if let library = needs.foreign.first {
      throw CommandError("--universal: this hoof needs \(library), which other machines may lack", advice: advice)
    }
    if let glibc = needs.glibc, glibc > oldestGlibc {
      throw CommandError("--universal: this hoof needs glibc \(glibc), newer than \(oldestGlibc)", advice: advice)
    }
  }

  private func report(modelBytes: Int, fileBytes: Int) throws {
    let needs = try ExecutableNeeds(path: output)
    if arguments.has("json") {
      let json: JSON = [
        "path": .string(output), "name": .string(settings.name), "bytes": .int(fileBytes), "model_bytes": .int(modelBytes),
        "engine_bytes": .int(fileBytes - modelBytes), "needs": .array(needs.libraries.map { .string($0) }),
        "glibc": needs.glibc.map { .string("\($0)") } ?? .null, "universal": .bool(needs.foreign.isEmpty),
      ]
      return try Output.line(json.text(pretty: true))
    }
    let home =
      needs.foreign.isEmpty
      ? "runs on glibc \(needs.glibc.map { "\($0)" } ?? "") or newer" : "needs \(needs.foreign.joined(separator: ", "))"
    try Output.write(
      """
      wrote \(output): \(ByteCount(fileBytes)), \(ByteCount(fileBytes - modelBytes)) of it engine; \(home)
      start it: \(output.contains("/") ? output : "./" + output)

      """)
  }
}

/// Whether both paths are one file, under whatever names.
private func sameFile(_ a: String, _ b: String) -> Bool {
  var (first, second) = (stat(), stat())
  return stat(a, &first) == 0 && stat(b, &second) == 0 && (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
}
