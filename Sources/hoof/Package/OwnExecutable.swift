import Glibc

/// The file that is running.
enum OwnExecutable {
  /// Where it lies, as messages should name it; the kernel's link to it where it has been removed since, and what it was started as where
  /// there is no /proc.
  static var path: String {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { readlink(link, $0.baseAddress, $0.count) }
    if count > 0 {
      let path = String(decoding: buffer[..<count], as: UTF8.self)
      return access(path, R_OK) == 0 ? path : link
    }
    guard let name = UnsafePointer<CChar>(bitPattern: getauxval(startedAs)) else { return CommandLine.arguments.first ?? "" }
    return String(cString: name)
  }

  private static let link = "/proc/self/exe"
  /// AT_EXECFN of elf.h.
  private static let startedAs: UInt = 31
}
