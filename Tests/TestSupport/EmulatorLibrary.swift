import Glibc

/// A copy of the CUDA emulator's library: a driver of its own, with settings of its own (Sources/CUDAEmulator/runtime/settings.h,
/// CUDA_VISIBLE_DEVICES), which the environment of a process full of tests cannot have. The file lives as long as this does; who opened it keeps it.
public final class EmulatorLibrary: Sendable {
  public let path: String
  private let folder: TemporaryFolder

  public init(_ settings: [String: String] = [:]) throws {
    folder = try TemporaryFolder()
    path = try folder.write("driver.so", TestFiles.read(Self.builtPath))
    try folder.write("driver.so.env", settings.map { "\($0)=\($1)\n" }.joined())
  }

  /// Opens a copy that is gone from the disk afterwards; what was opened keeps it in memory.
  public static func open<Opened>(_ settings: [String: String] = [:], _ open: (_ path: String) throws -> Opened) throws -> Opened {
    let library = try EmulatorLibrary(settings)
    return try withExtendedLifetime(library) { try open(library.path) }
  }

  public static var isHere: Bool { TestFiles.exists(builtPath) }
  public static let absent = "the emulator's library is not beside the tests"

  /// As the build leaves it beside the test bundle; nothing links it.
  private static let builtPath: String = {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let own = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Under `swift test` the executable is the toolchain's, and the bundle is among its arguments.
    let places = ([own] + CommandLine.arguments).map { $0.prefix(through: $0.lastIndex(of: "/") ?? $0.startIndex) + "libCUDAEmulator.so" }
    return places.map(String.init).first(where: TestFiles.exists) ?? "libCUDAEmulator.so"
  }()
}
