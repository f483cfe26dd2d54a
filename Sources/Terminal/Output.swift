import Glibc

/// Standard output for results, standard error for everything said to a person. Unbuffered.
public enum Output {
  /// Writes a result. A reader who left (`| head`) ends the program quietly: everything it wanted was delivered.
  public static func write(_ text: String) throws(CommandError) {
    switch send(text, to: STDOUT_FILENO) {
    case 0: return
    case EPIPE: exit(0)
    case let code: throw CommandError("cannot write the result: \(String(cString: strerror(code)))", at: "standard output")
    }
  }

  public static func line(_ text: String) throws(CommandError) { try write(text + "\n") }

  /// Whether a person sees what is written as a result.
  public static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  /// A line for a person. Losing it is no reason to stop.
  public static func note(_ text: String) { _ = send(text + "\n", to: STDERR_FILENO) }

  /// 0, or the error number of the write that failed.
  static func send(_ text: String, to descriptor: Int32) -> Int32 {
    var text = text
    return text.withUTF8 { bytes in
      var at = 0
      while at < bytes.count {
        let written = Glibc.write(descriptor, bytes.baseAddress! + at, bytes.count - at)
        if written < 0, errno == EINTR { continue }
        if written < 0 { return errno }
        at += written
      }
      return 0
    }
  }

  public static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
