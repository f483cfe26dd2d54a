import JSON

/// What a prompt's answer is held to.
public enum PromptCheck: Sendable {
  /// The pattern matches somewhere.
  case regex(TextPattern)
  case notRegex(TextPattern)
  case contains(String)
  case notContains(String)
  /// The whole answer, blanks around it aside, is a JSON value.
  case json
  case minWords(Int)
  case maxWords(Int)
  /// The model ended its answer before the limit.
  case stops
  case noLoop

  /// As it is called in a file.
  public enum Name: String, Sendable, CaseIterable {
    case regex, notRegex = "not_regex", contains, notContains = "not_contains", json, minWords = "min_words", maxWords = "max_words"
    case stops, noLoop = "no_loop"
  }

  public var name: Name {
    switch self {
    case .regex: .regex
    case .notRegex: .notRegex
    case .contains: .contains
    case .notContains: .notContains
    case .json: .json
    case .minWords: .minWords
    case .maxWords: .maxWords
    case .stops: .stops
    case .noLoop: .noLoop
    }
  }

  /// What there is to check.
  public struct Answer: Sendable {
    public let text: String
    public let ids: [Int32]
    public let hasStopped: Bool

    public init(text: String, ids: [Int32], hasStopped: Bool) { (self.text, self.ids, self.hasStopped) = (text, ids, hasStopped) }

    /// Words between white space.
    public var words: Int { text.split(whereSeparator: \.isWhitespace).count }
  }

  /// Why the answer does not pass; nil when it does.
  public func objection(to answer: Answer) -> String? {
    switch self {
    case .regex(let pattern):
      do throws(TextPattern.Refusal) { return try pattern.matches(answer.text) ? nil : "no match of \(pattern.source)" } catch {
        return "\(pattern.source): \(error)"
      }
    case .notRegex(let pattern):
      do throws(TextPattern.Refusal) { return try pattern.matches(answer.text) ? "a match of \(pattern.source)" : nil } catch {
        return "\(pattern.source): \(error)"
      }
    case .contains(let text): return PromptCheck.holds(answer.text, text) ? nil : "no '\(text)'"
    case .notContains(let text): return PromptCheck.holds(answer.text, text) ? "has '\(text)'" : nil
    case .json:
      do throws(JSONError) {
        _ = try JSON(parsing: answer.text)
        return nil
      } catch { return "\(error)" }
    case .minWords(let least): return answer.words < least ? "\(answer.words) words, fewer than \(least)" : nil
    case .maxWords(let most): return answer.words > most ? "\(answer.words) words, more than \(most)" : nil
    case .stops: return answer.hasStopped ? nil : "ran into the limit"
    case .noLoop:
      return RepetitionLoop(in: answer.ids).map { "\($0.period == 1 ? "a token" : "\($0.period) tokens") \($0.count) times in a row" }
    }
  }

  /// Byte by byte: what looks the same and is written otherwise is not the same.
  private static func holds(_ text: String, _ part: String) -> Bool {
    let (text, part) = (Array(text.utf8), Array(part.utf8))
    guard text.count >= part.count else { return false }
    return (0...text.count - part.count).contains { text[$0...].starts(with: part) }
  }
}
