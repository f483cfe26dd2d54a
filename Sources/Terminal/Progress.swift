import Glibc
import Synchronization

/// Progress of long work on standard error: a bar with rate and time left on a terminal, plain lines otherwise. `total` is in whatever
/// the work is proportional to (bytes, floating-point operations), so that the time left is honest when steps differ in size.
/// May be called from any thread.
public final class Progress: Sendable {
  private let meter: Mutex<ProgressMeter>
  private let isQuiet: Bool
  private let isTerminal: Bool

  public init(_ title: String, total: Double, unit: ProgressUnit, quiet: Bool) {
    meter = Mutex(ProgressMeter(title: title, total: total, unit: unit, start: Progress.now))
    isQuiet = quiet
    isTerminal = isatty(STDERR_FILENO) == 1 && Output.environment("TERM") != "dumb"
  }

  deinit { finish() }

  /// Counts work as done by an earlier run: it moves the bar but says nothing about this run's speed.
  public func skip(_ amount: Double) { meter.withLock { $0.skip(amount) } }

  public func advance(by amount: Double, label: String? = nil) {
    if isQuiet { return }
    let style = self.style
    meter.withLock { meter in
      meter.advance(amount, label: label)
      if let text = meter.text(at: Progress.now, style: style) { _ = Output.send(text, to: STDERR_FILENO) }
    }
  }

  /// A line for a person that stays, above the bar.
  public func note(_ text: String) {
    let clear = meter.withLock { isTerminal && $0.hasPrinted && !isQuiet } ? "\r\u{1B}[K" : ""
    Output.note(clear + text)
  }

  /// Clears the bar; call it before printing anything else. Further calls do nothing.
  public func finish() {
    if isQuiet { return }
    let style = self.style
    meter.withLock { meter in
      if let text = meter.closing(at: Progress.now, style: style) { _ = Output.send(text, to: STDERR_FILENO) }
      meter = ProgressMeter(title: meter.title, total: meter.total, unit: meter.unit, start: Progress.now)
    }
  }

  /// Asked anew each time: windows change their size.
  private var style: ProgressMeter.Style {
    guard isTerminal else { return .lines }
    var size = winsize()
    let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return .bar(columns: known ? Int(size.ws_col) : 80)
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
