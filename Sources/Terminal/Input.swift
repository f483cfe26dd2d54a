import Glibc

/// Reading whole files and standard input.
public enum Input {
  public static func all() throws(CommandError) -> [UInt8] { try all(STDIN_FILENO, "standard input") }

  /// The bytes of a regular file.
  public static func file(_ path: String) throws(CommandError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno, path) }
    defer { close(descriptor) }
    return try all(descriptor, path)
  }

  private static func all(_ descriptor: Int32, _ place: String) throws(CommandError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(errno, place) }
      if count == 0 { return bytes }
      bytes += chunk.prefix(count)
    }
  }

  private static func failure(_ code: Int32, _ place: String) -> CommandError {
    CommandError("cannot read the file: \(String(cString: strerror(code)))", at: place)
  }
}
