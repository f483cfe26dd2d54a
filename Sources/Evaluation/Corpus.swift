import Formats
import JSON
import Tokenization

/// One text of a calibration or training file.
public enum CorpusText: Sendable, Equatable {
  case plain(String)
  case prompted(Prompted)
  /// A conversation, to be rendered with the model's chat template; one message at least.
  case messages([ChatTemplate.Message])

  /// A prompt and how it is answered.
  public struct Prompted: Sendable, Equatable {
    /// What stands in front of the answer.
    public let prompt: String
    /// nil where the file has none.
    public let answer: String?
    /// What a user would have said to get the answer, for models that are talked to; nil where the prompt is a text to be continued.
    public let request: String?

    public init(prompt: String, answer: String?, request: String? = nil) {
      (self.prompt, self.answer, self.request) = (prompt, answer, request)
    }

    public var whole: String { prompt + (answer ?? "") }
  }
}

/// The texts of a file: `.txt` is one text per line, `.json` an array of strings, `.jsonl` one object per line with `text` or `page`,
/// `prompt` (+ `completion`), `instruction` (+ `input`, `output`) or `messages`.
public struct Corpus: Sendable {
  public let path: String
  public let texts: [CorpusText]
  /// Where in the file each text stands, for messages: "line 3".
  public let places: [String]
  /// SHA-256 of the file, hex.
  public let sha256: String

  public init(path: String) throws(FormatError) {
    let file = try MappedFile(path: path)
    try self.init(file.bytes, path: path)
  }

  /// The bytes of a file called `path`; its ending says what they are.
  package init(_ contents: UnsafeRawBufferPointer, path: String) throws(FormatError) {
    let bytes = Corpus.withoutMark(contents)
    var hash = SHA256()
    hash.update(contents)
    self.path = path
    sha256 = hash.hexDigest()
    switch path.split(separator: ".").last.map({ $0.lowercased() }) {
    case "json":
      texts = try Corpus.array(bytes, path)
      places = texts.indices.map { "element \($0)" }
    case "jsonl":
      let lines = try Corpus.lines(bytes, path)
      texts = try Corpus.objects(lines, path)
      places = lines.map { "line \($0.number)" }
    case "txt":
      let lines = try Corpus.lines(bytes, path)
      texts = lines.map { .plain($0.text) }
      places = lines.map { "line \($0.number)" }
    default: throw FormatError(path, nil, "texts come as .txt (one per line), .json (an array of strings) or .jsonl (objects)")
    }
    if texts.isEmpty { throw FormatError(path, nil, "there is no text in this file") }
  }

  /// A file's bytes without the mark that some editors put in front of UTF-8.
  static func withoutMark(_ contents: UnsafeRawBufferPointer) -> UnsafeBufferPointer<UInt8> {
    let bytes = contents.bindMemory(to: UInt8.self)
    return bytes.starts(with: [0xef, 0xbb, 0xbf]) ? UnsafeBufferPointer(rebasing: bytes.dropFirst(3)) : bytes
  }

  /// Lines that are not blank, without their line ends.
  static func lines(_ bytes: UnsafeBufferPointer<UInt8>, _ path: String) throws(FormatError) -> [(number: Int, text: String)] {
    var lines: [(number: Int, text: String)] = []
    var (start, number) = (0, 0)
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      number += 1
      let stop = end > start && bytes[end - 1] == UInt8(ascii: "\r") ? end - 1 : end
      guard let text = String(validating: bytes[start..<stop], as: UTF8.self) else {
        throw FormatError(path, "line \(number)", "not valid UTF-8")
      }
      if text.utf8.contains(where: { $0 != 0x20 && $0 != 0x09 }) { lines.append((number, text)) }
      start = end + 1
    }
    return lines
  }

  private static func array(_ bytes: UnsafeBufferPointer<UInt8>, _ path: String) throws(FormatError) -> [CorpusText] {
    let value: JSON
    do throws(JSONError) { value = try JSON(parsing: bytes) } catch { throw FormatError(path, nil, "\(error)") }
    guard let elements = value.array else { throw FormatError(path, nil, "expected a JSON array of strings") }
    var texts: [CorpusText] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.string else { throw FormatError(path, "element \(index)", "expected a string") }
      texts.append(.plain(text))
    }
    return texts
  }

  private static func objects(_ lines: [(number: Int, text: String)], _ path: String) throws(FormatError) -> [CorpusText] {
    var texts: [CorpusText] = []
    for line in lines {
      let place = "line \(line.number)"
      let value: JSON
      do throws(JSONError) { value = try JSON(parsing: line.text) } catch { throw FormatError(path, place, "\(error)") }
      texts.append(try CorpusText(object: value, path, place))
    }
    return texts
  }
}

extension CorpusText {
  init(object: JSON, _ path: String, _ place: String) throws(FormatError) {
    /// A member that is text; nil where it is absent or null. Anything else is a mistake in the data, not a text without it.
    func text(_ name: String) throws(FormatError) -> String? {
      guard let value = object[name], !value.isNull else { return nil }
      guard let text = value.string else { throw FormatError(path, place, "\(name) is not a string") }
      return text
    }
    var whole = try text("text")
    if whole == nil { whole = try text("page") }
    if let whole {
      self = .plain(whole)
    } else if let messages = object["messages"], !messages.isNull {
      self = .messages(try CorpusText.turns(messages, path, place))
    } else if let prompt = try text("prompt") {
      self = .prompted(.init(prompt: prompt, answer: try text("completion")))
    } else if let instruction = try text("instruction") {
      let input = try text("input") ?? ""
      let request = input.isEmpty ? instruction : "\(instruction)\n\n\(input)"
      self = .prompted(.init(prompt: CorpusText.alpaca(instruction, input: input), answer: try text("output"), request: request))
    } else {
      throw FormatError(path, place, "expected an object with text, prompt, instruction or messages")
    }
  }

  /// The messages of a conversation; one at least.
  static func turns(_ messages: JSON, _ path: String, _ place: String) throws(FormatError) -> [ChatTemplate.Message] {
    var turns: [ChatTemplate.Message] = []
    for message in messages.array ?? [.null] {
      guard let role = message["role"]?.string, let content = message["content"]?.string else {
        throw FormatError(path, place, "messages is not an array of objects with 'role' and 'content' as text")
      }
      turns.append(.init(role: role, content: content))
    }
    guard !turns.isEmpty else { throw FormatError(path, place, "messages is empty") }
    return turns
  }

  /// The prompt of Stanford Alpaca, which instruction data of this shape was made for.
  private static func alpaca(_ instruction: String, input: String) -> String {
    let context = input.isEmpty ? "" : "### Input:\n\(input)\n\n"
    let lead =
      input.isEmpty
      ? "Below is an instruction that describes a task. Write a response that appropriately completes the request."
      : "Below is an instruction that describes a task, paired with an input that provides further context. "
        + "Write a response that appropriately completes the request."
    return "\(lead)\n\n### Instruction:\n\(instruction)\n\n\(context)### Response:\n"
  }
}
