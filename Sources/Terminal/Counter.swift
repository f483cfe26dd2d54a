import Synchronization

/// Turns "done so far" into "done since last time", for callbacks that come from several threads.
public final class Counter: Sendable {
  private let last = Mutex(0)
  public init() {}

  /// 0 when a later value was reported already.
  public func step(to done: Int) -> Int {
    last.withLock { last in
      defer { last = max(last, done) }
      return max(0, done - last)
    }
  }
}
