/// The text of `hoof COMMAND --help`.
extension CommandSpec {
  public var helpText: String {
    var text = "hoof \(name): \(summary)\n\nUsage: hoof \(usage)\n"
    if !details.isEmpty { text += "\n\(details)\n" }
    if !positionals.isEmpty { text += "\nArguments:\n" + HelpText.table(positionals.map { ($0.name, $0.help) }) }
    let rows = options.map { ($0.signature, $0.helpWithEnvironment) } + [("-h, --help", "this text")]
    text += "\nOptions:\n" + HelpText.table(rows)
    text += "\nExample\(examples.count == 1 ? "" : "s"):\n"
    for example in examples { text += "  \(example.line)\n      \(example.note)\n" }
    return text
  }

  /// The same for a program that brings what the positionals would name.
  public func helpText(as program: String) -> String {
    let rows = options.map { ($0.signature, $0.helpWithEnvironment) } + [("-h, --help", "this text")]
    return "\(program) \(name): \(summary)\n\nUsage: \(program) \(name) [options]\n"
      + (details.isEmpty ? "" : "\n\(details)\n") + "\nOptions:\n" + HelpText.table(rows)
  }

  private var usage: String {
    var words = [name]
    for positional in positionals {
      switch positional.count {
      case .one: words.append(positional.name)
      case .optional: words.append("[\(positional.name)]")
      case .oneOrMore: words.append("\(positional.name)…")
      case .any: words.append("[\(positional.name)…]")
      }
    }
    return (words + ["[options]"]).joined(separator: " ")
  }
}

extension CommandOption {
  fileprivate var signature: String {
    (short.map { "-\($0), " } ?? "    ") + "--\(name)" + (isFlag ? "" : " \(placeholder)")
  }
  fileprivate var helpWithEnvironment: String { environment.map { "\(help) [\($0)]" } ?? help }
}

public enum HelpText {
  /// Left column, two spaces, right column; the right one is wrapped at 100 characters. A long left side gets a line of its own.
  public static func table(_ rows: [(String, String)]) -> String {
    let width = min(30, rows.map(\.0.count).max() ?? 0)
    var text = ""
    for (left, right) in rows {
      let lines = wrap(right, at: 100 - width - 4)
      if left.count > width {
        text += "  \(left)\n"
      } else {
        text += "  " + left.padded(to: width) + "  " + (lines.first ?? "") + "\n"
      }
      for line in lines.dropFirst(left.count > width ? 0 : 1) { text += String(repeating: " ", count: width + 4) + line + "\n" }
    }
    return text
  }

  static func wrap(_ text: String, at width: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}

extension String {
  /// Spaces after (or, `left`, before) the text, up to `width` characters.
  public func padded(to width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - count))
    return left ? space + self : self + space
  }
}
