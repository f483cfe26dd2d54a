import Glibc

/// Seconds.
enum Clock {
  /// Of a clock that never goes back.
  static var now: Double { read(CLOCK_MONOTONIC) }

  /// Since 1970.
  static var wall: Double { read(CLOCK_REALTIME) }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
