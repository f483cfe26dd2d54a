import Glibc
import JSON

/// A model behind the end of a program: `hoof package` makes one file of both, docs/package-format.md describes it byte by byte. Linux runs the
/// program and does not look behind it; the program finds its model by the last 64 bytes of its own file.
public struct PackagedModel: Sendable {
  public let path: String
  /// Length of the program in front.
  public let engineBytes: Int
  /// Where the .hoof file lies.
  let model: Range<Int>
  public let settings: PackageSettings

  /// Whether a file is a package, by its last bytes, and where its parts are.
  /// - Throws: when it says so and is damaged.
  public static func find(path: String) throws(FormatError) -> PackagedModel? {
    guard let file = try? MappedFile(path: path), file.byteCount > PackageTrailer.byteCount else { return nil }
    return try find(in: file)
  }

  static func find(in file: MappedFile) throws(FormatError) -> PackagedModel? {
    let bytes = file.bytes
    guard bytes.count > PackageTrailer.byteCount else { return nil }
    let last = UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - PackageTrailer.byteCount)...])
    guard let trailer = try PackageTrailer(parsing: last, fileBytes: bytes.count, path: file.path) else { return nil }
    let settings = try PackageSettings(parsing: Array(bytes[trailer.settings]), path: file.path)
    return PackagedModel(path: file.path, engineBytes: trailer.engineBytes, model: trailer.model, settings: settings)
  }

  /// The model, mapped straight from the package.
  public func source() throws(FormatError) -> ModelSource { try HoofFile.open(MappedFile(path: path, part: model)) }
}

/// What the maker of a package wants it to be, beside the model.
public struct PackageSettings: Sendable, Equatable {
  /// What the model is called in the page and over HTTP.
  public var name: String
  /// The system prompt of conversations that bring none.
  public var system: String?

  public init(name: String, system: String? = nil) { (self.name, self.system) = (name, system) }

  static let limit = 1 << 20

  init(parsing bytes: [UInt8], path: String) throws(FormatError) {
    let json: JSON
    do { json = try JSON(parsing: bytes) } catch { throw FormatError(path, "package settings", "\(error)") }
    guard let name = json["name"]?.string, !name.isEmpty else { throw FormatError(path, "package settings", "have no name") }
    if let value = json["system"], value.string == nil { throw FormatError(path, "package settings", "system is no text") }
    self.init(name: name, system: json["system"]?.string)
  }

  var bytes: [UInt8] {
    var object: JSON.Object = ["name": .string(name)]
    if let system { object["system"] = .string(system) }
    return Array(JSON.object(object).text().utf8)
  }
}

/// The last 64 bytes of a package.
struct PackageTrailer: Equatable {
  let engineBytes: Int
  let model: Range<Int>
  let settings: Range<Int>

  static let byteCount = 64
  static let version: UInt32 = 1
  /// The model begins at a multiple of it: of the page of every x86-64 and ARM Linux, and of what tensors in a .hoof file are aligned to.
  static let alignment = 65536
  private static let magic: [UInt8] = Array("hoofpack".utf8)

  /// Where the parts of a package come to lie.
  init(engineBytes: Int, modelBytes: Int, settingsBytes: Int) {
    self.engineBytes = engineBytes
    let start = (engineBytes + PackageTrailer.alignment - 1) / PackageTrailer.alignment * PackageTrailer.alignment
    model = start..<start + modelBytes
    settings = model.upperBound..<model.upperBound + settingsBytes
  }

  var fileBytes: Int { settings.upperBound + PackageTrailer.byteCount }

  var bytes: [UInt8] {
    var bytes = PackageTrailer.magic
    func append<Integer: FixedWidthInteger>(_ value: Integer) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    append(PackageTrailer.version)
    append(UInt32(0))
    for value in [engineBytes, model.lowerBound, model.count, settings.lowerBound, settings.count] { append(UInt64(value)) }
    append(UInt32(0))
    append(CRC32C.sum(bytes))
    return bytes
  }

  /// - Parameter bytes: the last 64 of a file of `fileBytes`.
  /// - Returns: nil when they are no trailer.
  init?(parsing bytes: UnsafeRawBufferPointer, fileBytes: Int, path: String) throws(FormatError) {
    guard bytes.count == PackageTrailer.byteCount, bytes.starts(with: PackageTrailer.magic) else { return nil }
    func integer<Integer: FixedWidthInteger>(_ offset: Int, _: Integer.Type) -> Integer {
      Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
    }
    guard CRC32C.sum(UnsafeRawBufferPointer(rebasing: bytes[..<60])) == integer(60, UInt32.self) else {
      throw FormatError(path, "package", "the checksum of its last 64 bytes is wrong; the file is damaged")
    }
    guard integer(8, UInt32.self) == PackageTrailer.version else {
      throw FormatError(path, "package", "version \(integer(8, UInt32.self)) is not supported; another hoof made it")
    }
    var values: [Int] = []
    for index in 0..<5 {
      let value = integer(16 + 8 * index, UInt64.self)
      guard value <= UInt64(fileBytes) else { throw FormatError(path, "package", "its parts lie beyond the end of the file; truncated?") }
      values.append(Int(value))
    }
    // Each within the file: sums cannot overflow.
    guard values[0] <= values[1], values[1] + values[2] <= values[3], values[3] + values[4] == fileBytes - PackageTrailer.byteCount,
      values[1] % PackageTrailer.alignment == 0, values[2] > 0, values[4] <= PackageSettings.limit
    else { throw FormatError(path, "package", "its parts do not fit together; the file is damaged") }
    engineBytes = values[0]
    model = values[1]..<values[1] + values[2]
    settings = values[3]..<values[3] + values[4]
  }
}
