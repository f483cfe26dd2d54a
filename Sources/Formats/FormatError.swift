/// What is wrong with a file: which file, which field of it, and why. One line, whatever the file contains.
public struct FormatError: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  /// A key, a tensor's name, a byte range; nil when the file as a whole is meant.
  public let field: String?
  public let reason: String

  public init(_ path: String, _ field: String? = nil, _ reason: String) {
    self.path = path
    self.field = field
    self.reason = reason
  }

  public var description: String {
    FormatError.printable(field.map { "\(path): \($0): \(reason)" } ?? "\(path): \(reason)")
  }

  /// Names come from files and may hold line ends, escape sequences or megabytes; a message must stay one readable line.
  private static func printable(_ text: String) -> String {
    var line = ""
    var count = 0
    for scalar in text.unicodeScalars {
      if count == 2000 { return line + "…" }
      line.unicodeScalars.append(scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) ? "?" : scalar)
      count += 1
    }
    return line
  }
}
