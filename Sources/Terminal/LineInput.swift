import Glibc

/// Standard input line by line, as it is typed.
public struct LineInput {
  public enum Line: Sendable, Equatable {
    /// Without its line end; bytes that are no UTF-8 are replaced.
    case text(String)
    /// Ctrl-C while waiting; what had been typed is gone.
    case interrupted
    case end
  }

  private var pending: [UInt8] = []
  private var hasEnded = false
  /// Longer lines are cut: something other than a person writes them.
  private static let longest = 16 << 20

  public init() {}

  /// Whether a person types, and whether one reads.
  public static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

  public mutating func next() throws(CommandError) -> Line {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var searched = 0
    while true {
      if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = take(upTo: end)
        pending.removeFirst()
        return line
      }
      searched = pending.count
      if hasEnded || pending.count > LineInput.longest { return pending.isEmpty ? .end : take(upTo: pending.count) }
      let count = read(STDIN_FILENO, &chunk, chunk.count)
      if count < 0, errno == EINTR {
        guard Interrupt.isRequested else { continue }
        pending = []
        return .interrupted
      }
      guard count >= 0 else {
        throw CommandError("cannot read the file: \(String(cString: strerror(errno)))", at: "standard input")
      }
      if count == 0 { hasEnded = true }
      pending += chunk.prefix(count)
    }
  }

  private mutating func take(upTo end: Int) -> Line {
    var line = pending[..<end]
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    let text = String(decoding: line, as: UTF8.self)
    pending.removeFirst(end)
    return .text(text)
  }
}
