/// Why a command failed, for a person: what, where, and what to do. Exit code 1.
public struct CommandError: Error, Sendable, Equatable, CustomStringConvertible {
  public let what: String
  public let place: String?
  public let advice: String?

  public init(_ what: String, at place: String? = nil, advice: String? = nil) {
    self.what = what
    self.place = place
    self.advice = advice
  }

  /// One line, whatever the parts hold.
  public var description: String { ([what] + [place, advice].compactMap(\.self)).joined(separator: ", ").onOneLine }
}

extension String {
  /// Control characters written visibly: names from files must not move a terminal's cursor or add lines to a message.
  public var onOneLine: String {
    guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return self }
    var text = ""
    for scalar in unicodeScalars {
      if scalar == "\n" {
        text += "\\n"
      } else if scalar.properties.generalCategory == .control {
        text += "\\u{" + String(scalar.value, radix: 16) + "}"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
