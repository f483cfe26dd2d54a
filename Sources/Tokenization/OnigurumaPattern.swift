/// Rewrites an Oniguruma expression for PCRE2. What the two read differently is either spelt out or refused by name; only what tokenizers
/// use is let through.
struct OnigurumaPattern {
  private(set) var translated = ""
  private let path: String

  init(_ pattern: String, at path: String) throws(TokenizerError) {
    self.path = path
    let scalars = Array(pattern.unicodeScalars)
    var at = 0
    var isInClass = false
    var afterName = 0
    while at < scalars.count {
      let scalar = scalars[at]
      switch scalar {
      case "\\":
        guard at + 1 < scalars.count else { throw .invalid("\(path) ends with a backslash") }
        at += 2
        if "pPx".unicodeScalars.contains(scalars[at - 1]), at < scalars.count, scalars[at] == "{" {
          guard let end = scalars[at...].firstIndex(of: "}") else { throw .invalid("\(path) lacks a '}'") }
          let name = String(String.UnicodeScalarView(scalars[at + 1..<end]))
          appendNamed(scalars[at - 1], name, isInClass: isInClass)
          // These braces are no repetition.
          at = end + 1
          afterName = at
        } else {
          try escape(scalars[at - 1], isInClass: isInClass)
        }
        continue
      case "[" where isInClass: throw .unsupported("\(path): a class inside a class")
      case "[":
        isInClass = true
        // Oniguruma and PCRE2 differ on a bracket that would close the class at once.
        let classStart = at + 1 < scalars.count && scalars[at + 1] == "^" ? at + 2 : at + 1
        if classStart < scalars.count, scalars[classStart] == "]" { throw .unsupported("\(path): ']' first in a class") }
      case "]" where isInClass: isInClass = false
      case "&" where isInClass && at + 1 < scalars.count && scalars[at + 1] == "&": throw .unsupported("\(path): '&&' in a class")
      case "(" where !isInClass: try checkGroup(scalars, at)
      case "+" where !isInClass && at > 0 && scalars[at - 1] == "}" && at != afterName:
        // Repeats a repetition there, and is possessive here.
        throw .unsupported("\(path): '}+'")
      default: break
      }
      translated.unicodeScalars.append(scalar)
      at += 1
    }
  }

  private static let groups: [String] = ["(?:", "(?i:", "(?-i:", "(?i)", "(?=", "(?!", "(?<=", "(?<!", "(?>"]

  private func checkGroup(_ scalars: [Unicode.Scalar], _ at: Int) throws(TokenizerError) {
    guard at + 1 < scalars.count, scalars[at + 1] == "?" || scalars[at + 1] == "*" else { return }
    let head = scalars[at..<min(at + 5, scalars.count)]
    guard Self.groups.contains(where: { head.starts(with: $0.unicodeScalars) }) else {
      throw .unsupported("\(path): the group '\(String(String.UnicodeScalarView(head)))'")
    }
  }

  /// `\p{name}`, `\P{name}` or `\x{digits}`.
  private mutating func appendNamed(_ kind: Unicode.Scalar, _ name: String, isInClass: Bool) {
    let additions = kind == "x" ? "" : UnicodeAdditions.classItems(name)
    switch (kind, isInClass) {
    case (_, _) where additions.isEmpty: translated += "\\\(kind){\(name)}"
    case ("p", true): translated += "\\p{\(name)}\(additions)"
    case ("p", false): translated += "[\\p{\(name)}\(additions)]"
    case (_, false): translated += "[^\\p{\(name)}\(additions)]"
    // A complement inside a class cannot be made smaller there; the newest scalars stay in it.
    case (_, true): translated += "\\P{\(name)}"
    }
  }

  private static let digit = "\\p{Nd}" + UnicodeAdditions.classItems("Nd")
  private static let word =
    "\\p{Alphabetic}\\p{M}\\p{Pc}" + digit + UnicodeAdditions.classItems("L") + UnicodeAdditions.classItems("M")
  private static let latin1Numbers = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

  private mutating func escape(_ scalar: Unicode.Scalar, isInClass: Bool) throws(TokenizerError) {
    switch scalar {
    // PCRE2's \s holds U+180E, which is no White_Space any more.
    case "s": translated += "\\p{White_Space}"
    case "S": translated += "\\P{White_Space}"
    // PCRE2 10.42 leaves marks and connectors out of \w. Oniguruma counts six Latin-1 numbers in, but not inside a class.
    case "w": translated += isInClass ? Self.word : "[\(Self.word)\(Self.latin1Numbers)]"
    case "W" where !isInClass: translated += "[^\(Self.word)\(Self.latin1Numbers)]"
    case "d": translated += isInClass ? Self.digit : "[\(Self.digit)]"
    case "D" where !isInClass: translated += "[^\(Self.digit)]"
    // PCRE2's \v is a class; Oniguruma's is U+000B.
    case "v": translated += "\\x{0b}"
    case "p", "P", "r", "n", "t", "f", "A", "z", "x": translated += "\\\(scalar)"
    case "a"..."z", "A"..."Z", "0"..."9": throw .unsupported("\(path): the escape '\\\(scalar)'")
    default:
      guard scalar.isASCII else {
        translated.unicodeScalars.append(scalar)
        return
      }
      translated += "\\\(scalar)"
    }
  }
}
