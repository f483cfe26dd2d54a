import Formats
import Terminal
import Tokenization

/// The held-out text as every model reads it: the sequences of `Perplexity` in the protocol `windows`.
struct TextWindows {
  let ids: [Int32]
  /// Tokens of text in a window.
  let length: Int
  /// In front of each window, every token of which is scored then.
  let bos: Int32?
  let sequences: [[Int32]]

  private static let usualLength = 512

  var scoredTokens: Int { sequences.reduce(0) { $0 + $1.count - 1 } }

  init(_ text: HeldOutText, _ tokenizer: Tokenizer, _ config: LlamaConfig, _ arguments: Arguments) throws {
    let bos = arguments.has("no-bos") ? nil : tokenizer.bosTokens.first
    let length = arguments.int("window") ?? min(TextWindows.usualLength, config.contextLength)
    guard length <= config.contextLength else {
      throw UsageError(
        command: arguments.command, "--window \(length): \(text.path) has to be read in a context of \(config.contextLength) tokens")
    }
    ids = text.ids(tokenizer)
    if let highest = ids.max(), Int(highest) >= config.vocabularySize {
      throw CommandError("token \(highest) is outside the model's vocabulary of \(config.vocabularySize)", at: text.path)
    }
    var sequences: [[Int32]] = []
    for start in stride(from: 0, to: ids.count, by: length) where sequences.count < arguments.int("windows") ?? .max {
      let sequence = [bos].compactMap(\.self) + ids[start..<min(start + length, ids.count)]
      if sequence.count > 1 { sequences.append(sequence) }
    }
    guard !sequences.isEmpty else { throw CommandError("there is no token to predict in this text", at: text.path) }
    (self.length, self.bos, self.sequences) = (length, bos, sequences)
  }
}
