import Glibc

/// What callers on any thread want of the engine, for its own thread to take up between passes; and a bell that wakes it.
///
/// `@unchecked`: everything mutable is touched under the lock alone.
final class OrderBook: @unchecked Sendable {
  struct Orders {
    /// In the order of arrival.
    var waiting: [AnswerStream] = []
    /// Tickets that have been taken and not finished.
    var open: Set<Ticket> = []
    var cancelled: Set<Ticket> = []
    var paused: Set<Ticket> = []
    var isShutDown = false
    var lastNumber: UInt64 = 0
    var load = EngineLoad()
    /// Something has come since the engine last looked.
    fileprivate var hasNews = false
  }

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var orders = Orders()

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// - Parameter rings: whether the engine has something new to look at.
  @discardableResult
  func with<Result, Failure: Error>(rings: Bool = false, _ body: (inout Orders) throws(Failure) -> Result) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    let result = try body(&orders)
    if rings {
      orders.hasNews = true
      pthread_cond_signal(condition)
    }
    return result
  }

  /// The engine looks: what comes from now on is news.
  func look<Result>(_ body: (inout Orders) -> Result) -> Result {
    with { orders in
      orders.hasNews = false
      return body(&orders)
    }
  }

  /// Waits for news; false when the engine is to end.
  func waitForNews() -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !orders.hasNews, !orders.isShutDown { pthread_cond_wait(condition, mutex) }
    return !orders.isShutDown
  }
}
