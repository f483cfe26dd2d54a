import Evaluation

/// What is taken out of a generated answer before it is compared ("strict-match", "flexible-extract").
public struct AnswerFilter: Sendable {
  public enum Step: Sendable {
    /// Of all matches, number `group` (from the end where negative), as `re.findall` gives them.
    case regex(TextPattern, group: Int, fallback: String)
    case stripped
    case lowered
    case raised
  }

  public var name: String
  public var steps: [Step]

  static let none = AnswerFilter(name: "none", steps: [])

  /// - Throws: where a regular expression had to be given up.
  public func apply(_ answer: String) throws(TextPattern.Refusal) -> String {
    var text = answer
    for step in steps {
      switch step {
      case .stripped: text = PythonText.stripped(text, nil)
      case .lowered: text = PythonText.lowered(text)
      case .raised: text = PythonText.raised(text)
      case .regex(let pattern, let group, let fallback):
        let matches = try pattern.findAll(in: text)
        let place = group < 0 ? group + matches.count : group
        guard matches.indices.contains(place), case let groups = matches[place] else {
          text = fallback
          continue
        }
        // One group may match nothing and count; of several, the first that matched something does.
        text = (groups.count == 1 ? groups[0] : groups.first { !$0.isEmpty }).map { PythonText.stripped($0, nil) } ?? fallback
      }
    }
    return text
  }
}
