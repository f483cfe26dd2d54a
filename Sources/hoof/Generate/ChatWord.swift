import Terminal

/// What is typed in a conversation and not said to the model.
enum ChatWord: Equatable {
  case help, exit, clear, again
  case read(String)
  case unknown(String)

  static let lines = """
    /help          these lines
    /exit          end the conversation, as do /quit, /bye and Ctrl-D
    /clear         forget what was said; the system message stays
    /regen         have the last answer written anew
    /read FILE     put a file's text in front of the next message
    """

  /// nil for a message.
  init?(_ line: String) {
    guard line.hasPrefix("/") else { return nil }
    let words = line.split(separator: " ", maxSplits: 1).map(String.init)
    switch (words[0], words.count) {
    case ("/help", 1), ("/?", 1): self = .help
    case ("/exit", 1), ("/quit", 1), ("/bye", 1): self = .exit
    case ("/clear", 1): self = .clear
    case ("/regen", 1): self = .again
    case ("/read", 2): self = .read(words[1])
    default: self = .unknown(words[0])
    }
  }
}
