import CServing
import Formats

/// The chat page, and the policy that lets it run what it was built with and nothing else.
struct Page: Sendable {
  let html: [UInt8]
  let policy: String

  /// The page that is in the program.
  static let embedded = Page(html: Array(UnsafeBufferPointer(start: hoof_page_start(), count: hoof_page_size)))

  init(html: [UInt8]) {
    self.html = html
    let text = String(decoding: html, as: UTF8.self)
    func hashes(_ element: String) -> String {
      let found = Self.contents(of: element, in: text).map { " 'sha256-\(Self.base64(Self.digest($0)))'" }.joined()
      return found.isEmpty ? " 'none'" : found
    }
    policy =
      "default-src 'none'; script-src\(hashes("script")); style-src\(hashes("style")); connect-src 'self'; img-src data:; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  }

  var reply: Reply {
    Reply(type: "text/html; charset=utf-8", headers: [("Content-Security-Policy", policy)], body: html)
  }

  /// What stands between each `<element>` and the `</element>` behind it.
  static func contents(of element: String, in text: String) -> [String] {
    var contents: [String] = []
    let (opening, closing) = (Array("<\(element)>".utf8), Array("</\(element)>".utf8))
    let bytes = Array(text.utf8)
    var at = 0
    while let start = find(opening, in: bytes, from: at), let end = find(closing, in: bytes, from: start + opening.count) {
      contents.append(String(decoding: bytes[(start + opening.count)..<end], as: UTF8.self))
      at = end + closing.count
    }
    return contents
  }

  private static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard bytes.count - start >= needle.count else { return nil }
    return (start...bytes.count - needle.count).first { bytes[$0] == needle[0] && bytes[$0..<$0 + needle.count].elementsEqual(needle) }
  }

  private static func digest(_ text: String) -> [UInt8] {
    var hash = SHA256()
    hash.update(text)
    return hash.digest()
  }

  /// RFC 4648, section 4.
  static func base64(_ bytes: [UInt8]) -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".unicodeScalars)
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let value = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 {
        text.unicodeScalars.append(place > group.count ? "=" : letters[value >> (18 - 6 * place) & 63])
      }
    }
    return text
  }
}
