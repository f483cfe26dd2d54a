import CEvent
import Synchronization

/// Wakes the loop from any thread; rings before the loop has come round count as one.
final class LoopAlarm: Sendable {
  /// nil once the loop is gone. Only the pointer is guarded: libevent has locks of its own for what it points to (evthread_use_pthreads).
  private let event = Mutex<Address?>(nil)

  private struct Address: @unchecked Sendable { let pointer: OpaquePointer }

  /// - Parameter argument: for `action`, which is called on the loop's thread.
  init(_ base: OpaquePointer, _ action: @escaping event_callback_fn, _ argument: UnsafeMutableRawPointer) {
    let made = event_new(base, -1, 0, action, argument).map { Address(pointer: $0) }
    event.withLock { $0 = made }
  }

  func ring() { event.withLock { if let event = $0 { event_active(event.pointer, Int32(EV_READ), 0) } } }

  /// Before the loop is freed.
  func silence() {
    event.withLock { event in
      if let address = event { event_free(address.pointer) }
      event = nil
    }
  }

  deinit { silence() }
}
