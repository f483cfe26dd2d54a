import Formats

/// The text of a file whose perplexity is measured: `.txt` is one document, whole; `.json` an array of strings and `.jsonl` objects with
/// `text` (or `page`, or what else `Corpus` reads), a document each.
public struct EvaluationText: Sendable {
  public let path: String
  public let documents: [String]
  /// SHA-256 of the file, hex.
  public let sha256: String

  public init(path: String) throws(FormatError) {
    guard path.lowercased().hasSuffix(".txt") else {
      let corpus = try Corpus(path: path)
      var documents: [String] = []
      for (text, place) in zip(corpus.texts, corpus.places) {
        switch text {
        case .plain(let text): documents.append(text)
        case .prompted(let text): documents.append(text.whole)
        case .messages: throw FormatError(path, place, "is a conversation; perplexity is measured on plain texts")
        }
      }
      (self.path, self.documents, sha256) = (path, documents, corpus.sha256)
      return
    }
    let file = try MappedFile(path: path)
    var hash = SHA256()
    hash.update(file.bytes)
    let bytes = Corpus.withoutMark(file.bytes)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      _ = try Corpus.lines(bytes, path)
      throw FormatError(path, nil, "not valid UTF-8")
    }
    (self.path, documents, sha256) = (path, [text], hash.hexDigest())
  }

  /// All of it as the protocols over one text read it: documents are joined by an empty line, as data sets usually are.
  public var whole: String { documents.count == 1 ? documents[0] : documents.joined(separator: "\n\n") }

  /// Words of a text as lm-evaluation-harness counts them, `len(re.split(r"\s+", text))`: white space at an end adds an empty one.
  public static func wordCount(_ text: String) -> Int {
    var words = 1
    var isInSpace = false
    for scalar in text.unicodeScalars {
      let isSpace = scalar.isPythonSpace
      if isSpace, !isInSpace { words += 1 }
      isInSpace = isSpace
    }
    return words
  }
}

extension Unicode.Scalar {
  /// What `\s` matches in Python's texts: `str.isspace`, which counts the information separators and not the zero-width space.
  package var isPythonSpace: Bool {
    switch value {
    case 0x09...0x0d, 0x1c...0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000: true
    default: false
    }
  }
}
