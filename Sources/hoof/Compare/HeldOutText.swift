import Evaluation
import Formats
import Terminal
import Tokenization

/// Text that no cut was chosen on, as the windows that every model is measured on: one text, tokenised once without begin token, cut into
/// windows that do not overlap, the last one shorter.
struct HeldOutText {
  let path: String
  let sha256: String
  private let text: String

  /// `.txt` is one text, line ends and all; the texts of `.json` and `.jsonl` are joined by blank lines, as papers join WikiText's.
  init(path: String) throws {
    self.path = path
    if path.lowercased().hasSuffix(".txt") {
      let bytes = try Input.file(path)
      guard let text = String(validating: bytes, as: UTF8.self) else { throw CommandError("not valid UTF-8", at: path) }
      self.text = text
      sha256 = SHA256.hex(of: bytes)
    } else {
      let corpus = try Corpus(path: path)
      var parts: [String] = []
      for (text, place) in zip(corpus.texts, corpus.places) {
        guard case .plain(let part) = text else {
          throw FormatError(path, place, "is a conversation; perplexity is measured on plain text")
        }
        parts.append(part)
      }
      text = parts.joined(separator: "\n\n")
      sha256 = corpus.sha256
    }
  }

  func ids(_ tokenizer: Tokenizer) -> [Int32] { tokenizer.encode(text, template: false) }
}
