import Synchronization
import TensorCore

/// Ops do not throw: the first failure among them is kept here and thrown by the next call that can.
final class FirstFailure: Sendable {
  private let isKept = Atomic(false)
  private let error = Mutex<BackendError?>(nil)

  /// Asked before every launch.
  var isSet: Bool { isKept.load(ordering: .relaxed) }

  func keep(_ failure: BackendError) {
    error.withLock { kept in if kept == nil { kept = failure } }
    isKept.store(true, ordering: .relaxed)
  }

  /// Throws what is kept. Lack of memory is forgotten when it has been told: the device is well, and a smaller batch may fit. Anything
  /// else stays, because CUDA refuses all further work of a process after a fault.
  func rethrow() throws(BackendError) {
    guard isSet else { return }
    let failure = error.withLock { kept in
      let failure = kept
      if case .outOfMemory = failure {
        kept = nil
        isKept.store(false, ordering: .relaxed)
      }
      return failure
    }
    if let failure { throw failure }
  }
}
