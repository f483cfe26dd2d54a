import Formats
import JSON
import Tokenization

/// A prompt, and what its answer is held to.
public struct PromptCase: Sendable {
  public enum Prompt: Sendable, Equatable {
    case text(String)
    case messages([ChatTemplate.Message])
  }

  /// The file's, or "line 3".
  public let name: String
  public let place: String
  public let prompt: Prompt
  /// Most tokens of the answer; nil for whatever the run allows.
  public let limit: Int?
  public let checks: [PromptCheck]
}

/// A file of prompts, one JSON object per line:
///
///     {"name": "western", "prompt": "Pitch a western.", "max_tokens": 200,
///      "checks": {"contains": ["sheriff"], "regex": "(?i)title:", "min_words": 40, "max_words": 200, "stops": true, "no_loop": true}}
///
/// `messages` instead of `prompt` is a conversation, `system` what comes before. A line without `checks` is held to `stops` and `no_loop`.
public struct PromptFile: Sendable {
  public let path: String
  public let cases: [PromptCase]
  /// SHA-256 of the file, hex.
  public let sha256: String

  public init(path: String) throws(FormatError) {
    let file = try MappedFile(path: path)
    try self.init(file.bytes, path: path)
  }

  package init(_ contents: UnsafeRawBufferPointer, path: String) throws(FormatError) {
    self.path = path
    var hash = SHA256()
    hash.update(contents)
    sha256 = hash.hexDigest()
    var cases: [PromptCase] = []
    for line in try Corpus.lines(Corpus.withoutMark(contents), path) {
      let place = "line \(line.number)"
      let value: JSON
      do throws(JSONError) { value = try JSON(parsing: line.text) } catch { throw FormatError(path, place, "\(error)") }
      guard let object = value.object else { throw FormatError(path, place, "expected an object with 'prompt' or 'messages'") }
      cases.append(try PromptLine(path: path, place: place, object: object).read())
    }
    if cases.isEmpty { throw FormatError(path, nil, "there is no prompt in this file") }
    self.cases = cases
  }
}

/// One line of such a file. What it does not know it refuses: a misspelt check would pass everything.
private struct PromptLine {
  let path: String
  let place: String
  let object: JSON.Object

  private static let members = ["name", "prompt", "messages", "system", "max_tokens", "checks", "comment"]

  func read() throws(FormatError) -> PromptCase {
    for name in object.names where !PromptLine.members.contains(name) {
      throw error("'\(name)' is not known here; known are \(PromptLine.members.joined(separator: ", "))")
    }
    let limit = try object["max_tokens"].map { (value) throws(FormatError) in try natural(value, "max_tokens", least: 1) }
    return PromptCase(name: try text("name") ?? place, place: place, prompt: try prompt(), limit: limit, checks: try checks())
  }

  private func error(_ reason: String) -> FormatError { FormatError(path, place, reason) }

  private func text(_ name: String) throws(FormatError) -> String? {
    guard let value = object[name], !value.isNull else { return nil }
    guard let text = value.string else { throw error("\(name) is not a string") }
    return text
  }

  private func natural(_ value: JSON, _ name: String, least: Int = 0) throws(FormatError) -> Int {
    guard let number = value.int, (least...1_000_000_000).contains(number) else {
      throw error("\(name) is not a whole number\(least > 0 ? " from \(least) on" : "")")
    }
    return number
  }

  private func prompt() throws(FormatError) -> PromptCase.Prompt {
    let system = try text("system").map { [ChatTemplate.Message(role: "system", content: $0)] } ?? []
    switch (try text("prompt"), object["messages"]) {
    case (let text?, nil): return system.isEmpty ? .text(text) : .messages(system + [.init(role: "user", content: text)])
    case (nil, let messages?): return .messages(system + (try CorpusText.turns(messages, path, place)))
    case (nil, nil): throw error("expected an object with 'prompt' or 'messages'")
    case (.some, .some): throw error("has both 'prompt' and 'messages'")
    }
  }

  private func checks() throws(FormatError) -> [PromptCheck] {
    guard let value = object["checks"], !value.isNull else { return [.stops, .noLoop] }
    guard let checks = value.object else { throw error("checks is not an object") }
    var found: [PromptCheck] = []
    for (key, value) in checks.members {
      guard let name = PromptCheck.Name(rawValue: key) else {
        throw error("there is no check '\(key)'; there are \(PromptCheck.Name.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      switch name {
      case .regex: found += try patterns(value, key).map { .regex($0) }
      case .notRegex: found += try patterns(value, key).map { .notRegex($0) }
      case .contains: found += try texts(value, key).map { .contains($0) }
      case .notContains: found += try texts(value, key).map { .notContains($0) }
      case .json: if try flag(value, key) { found.append(.json) }
      case .minWords: found.append(.minWords(try natural(value, key)))
      case .maxWords: found.append(.maxWords(try natural(value, key)))
      case .stops: if try flag(value, key) { found.append(.stops) }
      case .noLoop: if try flag(value, key) { found.append(.noLoop) }
      }
    }
    guard !found.isEmpty else { throw error("checks checks nothing") }
    return found
  }

  private func flag(_ value: JSON, _ name: String) throws(FormatError) -> Bool {
    guard let flag = value.bool else { throw error("\(name) is neither true nor false") }
    return flag
  }

  /// One text, or an array of them that are all meant.
  private func texts(_ value: JSON, _ name: String) throws(FormatError) -> [String] {
    let texts = (value.array ?? [value]).map(\.string)
    guard !texts.isEmpty, !texts.contains(where: { $0 == nil || $0 == "" }) else {
      throw error("\(name) is neither a text nor an array of texts")
    }
    return texts.compactMap(\.self)
  }

  private func patterns(_ value: JSON, _ name: String) throws(FormatError) -> [TextPattern] {
    var patterns: [TextPattern] = []
    for text in try texts(value, name) {
      do throws(TextPattern.Refusal) { patterns.append(try TextPattern(text)) } catch { throw self.error("\(name): \(error)") }
    }
    return patterns
  }
}
