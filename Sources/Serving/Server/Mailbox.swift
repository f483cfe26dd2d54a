import Generation
import Synchronization

/// What other threads have for the loop.
final class Mailbox: Sendable {
  enum Message: Sendable {
    case prepared(job: Int, Result<PromptReader.Reading, APIError>)
    case event(job: Int, choice: Int, GenerationEvent)
    case stop
  }

  private let messages = Mutex<[Message]>([])
  private let alarm: LoopAlarm

  init(_ alarm: LoopAlarm) { self.alarm = alarm }

  func post(_ message: Message) {
    let isFirst = messages.withLock { messages in
      messages.append(message)
      return messages.count == 1
    }
    // Whoever empties the box takes all that is in it.
    if isFirst { alarm.ring() }
  }

  func empty() -> [Message] {
    messages.withLock { messages in
      defer { messages = [] }
      return messages
    }
  }
}

/// Stops a server from another thread.
public struct ServerRemote: Sendable {
  let mailbox: Mailbox

  /// As a first Ctrl-C does: answers that are being written are finished.
  public func stop() { mailbox.post(.stop) }
}
