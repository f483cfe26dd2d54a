import CKernels
import Glibc

/// The file that is running.
package enum OwnExecutable {
  /// Where it lies, as messages should name it; the kernel's link to it where it has been removed since, and what it was started as where
  /// there is no /proc.
  package static var path: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(link, &buffer, buffer.count)
    if count > 0 {
      let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return access(path, R_OK) == 0 ? path : link
    }
    guard let name = hoof_file_own_name() else { return CommandLine.arguments.first ?? "" }
    return String(cString: name)
  }

  private static let link = "/proc/self/exe"
}
