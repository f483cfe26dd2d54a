import Glibc

/// A thread that makes prompts of bodies, one after another: a long text takes its time, and the loop has others to serve meanwhile.
///
/// `@unchecked`: everything mutable is touched under the lock alone.
final class Preparer: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var work: [@Sendable () -> Void] = []
  private var isOver = false

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    var thread = pthread_t()
    // The thread keeps this alive until it is over.
    pthread_create(
      &thread, nil,
      { argument in
        let own = Unmanaged<Preparer>.fromOpaque(argument!).takeRetainedValue()
        while let work = own.next() { work() }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    pthread_detach(thread)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func run(_ body: @escaping @Sendable () -> Void) { change { work.append(body) } }

  /// What has not been begun is not done any more.
  func end() { change { (isOver, work) = (true, []) } }

  private func change(_ body: () -> Void) {
    pthread_mutex_lock(mutex)
    body()
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  private func next() -> (@Sendable () -> Void)? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while work.isEmpty, !isOver { pthread_cond_wait(condition, mutex) }
    return isOver ? nil : work.removeFirst()
  }
}
