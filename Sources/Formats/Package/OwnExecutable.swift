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
    guard let name = hoof_file_own_name() else { return name }
    return String(cString: name)
  }

  /// The words it was started with, behind its name.
  package static var words: [String] {
    var words: [String] = []
    guard let given = hoof_file_own_words(), given[0] != nil else { return words }
    var next = 1
    while let word = given[next] {
      words.append(String(cString: word))
      next += 1
    }
    return words
  }

  /// Its last part is what the user calls the program.
  package static var name: String { hoof_file_own_words().flatMap { $0[0] }.map { String(cString: $0) } ?? "hoof" }

  private static let link = "/proc/self/exe"
}
