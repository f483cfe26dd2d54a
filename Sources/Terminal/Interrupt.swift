import Glibc
import Synchronization

/// Thrown by work that stopped because it was asked to: exit code 130. `saved` says what is kept and how to go on.
public struct Interrupted: Error, Sendable {
  public let saved: String?
  public init(saved: String? = nil) { self.saved = saved }
}

/// Ctrl-C and SIGTERM as a flag that long work polls. The first asks, the second ends the process at once.
public enum Interrupt {
  private static let requests = Atomic<Int>(0)
  private static let notice: StaticString = "\nhoof: stopping after this step; once more stops at once\n"

  public static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }

  public static func check(saved: String? = nil) throws(Interrupted) {
    if isRequested { throw Interrupted(saved: saved) }
  }

  /// Called at the start of commands that poll; others keep the system's default and end at once.
  public static func catchSignals() {
    // The handler may only touch what exists already: the first use of a static initialises it, which is not safe inside a signal.
    _ = (isRequested, notice.utf8CodeUnitCount)
    for number in [SIGINT, SIGTERM] {
      // A shell that starts a job in the background has it ignore Ctrl-C; that stays so.
      let before = signal(number, handle)
      if unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { signal(number, SIG_IGN) }
    }
  }

  /// Ctrl-C as a wish that a conversation polls and takes note of with `take`, any number of times; it also ends the wait for a line of input.
  /// SIGTERM ends the program.
  public static func catchInteractively() {
    _ = isRequested
    var action = sigaction()
    // Without SA_RESTART: a read in progress returns.
    action.__sigaction_handler.sa_handler = note
    sigaction(SIGINT, &action, nil)
  }

  /// Whether Ctrl-C was pressed since the last call.
  public static func take() -> Bool { requests.exchange(0, ordering: .relaxed) > 0 }

  /// A reader who closes our output shows as EPIPE at the write, not as a death by signal.
  public static func ignoreClosedPipes() { signal(SIGPIPE, SIG_IGN) }

  private static let note: @convention(c) (Int32) -> Void = { _ in _ = requests.add(1, ordering: .relaxed) }

  private static let handle: @convention(c) (Int32) -> Void = { _ in
    if requests.add(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
    _ = Glibc.write(STDERR_FILENO, notice.utf8Start, notice.utf8CodeUnitCount)
  }
}
