import Glibc

/// Makes one executable file of a program and a model.
public enum PackageWriter {
  /// - Parameters:
  ///   - engine: path of the program; of a package, its program alone.
  ///   - model: path of a .hoof file.
  ///   - path: what is made, executable for everybody who may read it.
  ///   - told: bytes written since the last call.
  /// - Throws: `FormatError` of whichever file is wrong, or what `told` throws; nothing is left behind then.
  public static func write(
    engine: String, model: String, settings: PackageSettings, to path: String, replacing: Bool, told: (Int) throws -> Void = { _ in }
  ) throws {
    let program = try MappedFile(path: engine)
    let source = try MappedFile(path: model)
    _ = try HoofFile.open(source)
    let engineBytes = try PackagedModel.find(in: program)?.engineBytes ?? program.byteCount
    let text = settings.bytes
    guard text.count <= PackageSettings.limit else { throw FormatError(path, "package settings", "are longer than 1 MiB") }
    let trailer = PackageTrailer(engineBytes: engineBytes, modelBytes: source.byteCount, settingsBytes: text.count)
    let output = try OutputFile(path: path, byteCount: trailer.fileBytes, replacing: replacing, executable: true)
    try copy(program, 0..<engineBytes, to: output, at: 0, told)
    try copy(source, 0..<source.byteCount, to: output, at: trailer.model.lowerBound, told)
    try output.write(text + trailer.bytes, at: trailer.settings.lowerBound)
    try output.commit()
  }

  /// What a package of these sizes has on top of the model.
  public static func fileBytes(engineBytes: Int, modelBytes: Int, settings: PackageSettings) -> Int {
    PackageTrailer(engineBytes: engineBytes, modelBytes: modelBytes, settingsBytes: settings.bytes.count).fileBytes
  }

  /// In pieces, whose pages are let go of: a package of many gigabytes passes through little memory.
  private static func copy(
    _ file: MappedFile, _ range: Range<Int>, to output: OutputFile, at offset: Int, _ told: (Int) throws -> Void
  ) throws {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: piece) {
      let part = start..<min(start + piece, range.upperBound)
      try output.write(UnsafeRawBufferPointer(rebasing: file.bytes[part]), at: offset + start - range.lowerBound)
      output.startFlush(offset + start - range.lowerBound..<offset + part.upperBound - range.lowerBound)
      file.release(part)
      try told(part.count)
    }
  }

  private static let piece = 8 << 20
}
