/// WikiText's pages with the spaces taken back that its tokenisation put around punctuation: the rules of lm-evaluation-harness'
/// `wikitext_detokenizer`, in their order, its slips included, because published numbers contain them.
public enum WikiTextDetokenizer {
  public static func detokenized(_ page: String) -> String {
    var text = Array(page.unicodeScalars)
    func replace(_ old: String, _ new: String) { text = replacing(Array(old.unicodeScalars), by: Array(new.unicodeScalars), in: text) }
    replace("s '", "s'")
    // Meant for years such as ' 90, but its slashes are part of the pattern, and what it inserts is the pattern itself.
    for digit in 0...9 { replace("/' \(digit)/", "/'[0-9]/") }
    for (old, new) in [(" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", ".")] { replace(old, new) }
    for mark in [":", ";", ".", "!", "?", ","] { replace(" \(mark) ", "\(mark) ") }
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("\"", "\""), ("'", "'")] as [(Unicode.Scalar, Unicode.Scalar)] {
      text = trimming(between: open, close, in: text)
    }
    for (old, new) in [("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" \u{b0} ", "\u{b0}")] { replace(old, new) }
    for (old, new) in [(" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s")] { replace(old, new) }
    return String(String.UnicodeScalarView(text))
  }

  /// Every occurrence, from left to right, without overlaps.
  private static func replacing(_ old: [Unicode.Scalar], by new: [Unicode.Scalar], in text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var out: [Unicode.Scalar] = []
    out.reserveCapacity(text.count)
    var at = 0
    while at < text.count {
      if text[at] == old[0], text[at...].starts(with: old) {
        out += new
        at += old.count
      } else {
        out.append(text[at])
        at += 1
      }
    }
    return out
  }

  /// No white space just inside of a pair of brackets or quotes.
  private static func trimming(between open: Unicode.Scalar, _ close: Unicode.Scalar, in text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var out: [Unicode.Scalar] = []
    out.reserveCapacity(text.count)
    var rest = text[...]
    while let start = rest.firstIndex(of: open), let end = rest[(start + 1)...].firstIndex(of: close) {
      out += rest[...start]
      var inside = rest[start + 1..<end].drop(while: \.isPythonSpace)
      while inside.last?.isPythonSpace == true { inside.removeLast() }
      out += inside
      out.append(close)
      rest = rest[(end + 1)...]
    }
    return out + rest
  }
}
