import Glibc

/// Model files are mapped, not read; the kernel tells of one that somebody cuts short meanwhile by a signal at the next touch.
enum MappedFiles {
  private static let message: StaticString =
    "hoof: a model file became shorter while it was read: something else is writing to it; repeat the command when that is done\n"

  /// Ends the process with that one line and exit code 1 instead of a core dump.
  static func explainTruncation() {
    // The handler may only touch what exists already.
    _ = message.utf8CodeUnitCount
    signal(SIGBUS, handle)
  }

  private static let handle: @convention(c) (Int32) -> Void = { _ in
    _ = write(STDERR_FILENO, message.utf8Start, message.utf8CodeUnitCount)
    _exit(1)
  }
}
