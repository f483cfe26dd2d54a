import Glibc
import TestSupport
import Testing

/// The emulator's library: a CUDA driver that runs the kernels on the CPU. Built beside the test bundle; nothing links it.
enum Emulator {
  /// Opens a copy of the library, which is a driver of its own then, with settings of its own (HOOF_EMULATOR_…, CUDA_VISIBLE_DEVICES):
  /// the environment of a process full of tests cannot have them.
  static func open<Opened>(_ settings: [String: String] = [:], _ open: (_ path: String) throws -> Opened) throws -> Opened {
    let folder = try TemporaryFolder()
    let path = try folder.write("driver.so", TestFiles.read(Emulator.library))
    try folder.write("driver.so.env", settings.map { "\($0)=\($1)\n" }.joined())
    return try withExtendedLifetime(folder) { try open(path) }
  }

  static var isHere: Bool { TestFiles.exists(library) }
  static let absent: Comment = "the emulator's library is not beside the tests, or this processor has no AVX2"

  private static let library: String = {
    if let given = getenv("HOOF_CUDA_EMULATOR") { return String(cString: given) }
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let own = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/libCUDAEmulator.so"
  }()
}
