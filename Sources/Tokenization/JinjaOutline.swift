/// A Jinja template reduced to what decides its output: the tags without optional blanks, and the text between them after the rules that
/// transformers sets (`trim_blocks`, `lstrip_blocks`) and after `-` marks. Two templates with equal outlines render alike.
struct JinjaOutline: Sendable, Equatable {
  private enum Part: Sendable, Equatable { case text([UInt8]), tag([UInt8]) }
  private var parts: [Part] = []

  init(_ template: String) {
    let bytes = Array(template.utf8)
    var text: [UInt8] = []
    var at = 0
    var trimsNext = false
    var dropsNewline = false
    while at < bytes.count {
      let opener = bytes[at] == 0x7b && at + 1 < bytes.count ? bytes[at + 1] : 0
      guard opener == 0x7b || opener == 0x25 || opener == 0x23 else {
        text.append(bytes[at])
        at += 1
        continue
      }
      let closer: UInt8 = opener == 0x7b ? 0x7d : opener
      let start = at + 2
      let end = Self.end(of: bytes, from: start, closer)
      var body = bytes[start..<end]
      let stripsBefore = body.first == UInt8(ascii: "-")
      let stripsAfter = body.last == UInt8(ascii: "-")
      if stripsBefore { body.removeFirst() }
      if stripsAfter, !body.isEmpty { body.removeLast() }
      appendText(text, dropsNewline: dropsNewline, trimsStart: trimsNext, trimsEnd: stripsBefore, isBeforeBlock: opener != 0x7b)
      text.removeAll()
      if opener != 0x23 { parts.append(.tag([opener] + Self.condensed(body))) }
      trimsNext = stripsAfter
      dropsNewline = opener != 0x7b
      at = min(end + 2, bytes.count)
    }
    // Jinja drops one newline at the very end.
    if text.last == 0x0a { text.removeLast() }
    appendText(text, dropsNewline: dropsNewline, trimsStart: trimsNext, trimsEnd: false, isBeforeBlock: false)
  }

  /// FNV-1a of all parts, 64 bits: to know a long template again without keeping its text.
  var digest: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    for part in parts {
      let (kind, bytes): (UInt8, [UInt8]) =
        switch part {
        case .text(let bytes): (1, bytes)
        case .tag(let bytes): (2, bytes)
        }
      for byte in [kind] + bytes + [0] { add(byte) }
    }
    return hash
  }

  /// Where the tag that began before `start` closes; quotes hide what looks like an end.
  private static func end(of bytes: [UInt8], from start: Int, _ closer: UInt8) -> Int {
    var at = start
    var quote: UInt8 = 0
    while at < bytes.count {
      if quote != 0 {
        if bytes[at] == 0x5c { at += 1 } else if bytes[at] == quote { quote = 0 }
      } else if bytes[at] == closer, at + 1 < bytes.count, bytes[at + 1] == 0x7d {
        return at
      } else if closer != 0x23, bytes[at] == 0x22 || bytes[at] == 0x27 {
        quote = bytes[at]
      }
      at += 1
    }
    return bytes.count
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

  private mutating func appendText(_ text: [UInt8], dropsNewline: Bool, trimsStart: Bool, trimsEnd: Bool, isBeforeBlock: Bool) {
    var text = text[...]
    let isLineStart: Bool
    if dropsNewline, text.first == 0x0a {
      text.removeFirst()
      isLineStart = true
    } else {
      isLineStart = parts.isEmpty
    }
    if trimsStart { text = text.drop(while: Self.isBlank) }
    if trimsEnd {
      while let last = text.last, Self.isBlank(last) { text.removeLast() }
    } else if isBeforeBlock {
      // lstrip_blocks: blanks before a block go if nothing else stands on that line.
      let lastNewline = text.lastIndex(of: 0x0a)
      let line = lastNewline.map { text[($0 + 1)...] } ?? text
      if lastNewline != nil || isLineStart, line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { text = text[..<line.startIndex] }
    }
    if !text.isEmpty { parts.append(.text(Array(text))) }
  }

  /// A tag's inside with single quotes, `x['name']` written as `x.name`, `\n` as the character, and one blank only between words.
  private static func condensed(_ body: ArraySlice<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    var at = body.startIndex
    var hadBlank = false
    while at < body.endIndex {
      let byte = body[at]
      if isBlank(byte) {
        hadBlank = true
        at += 1
        continue
      }
      if byte == 0x22 || byte == 0x27 {
        let (text, next) = literal(body, at)
        let closesIndex = next < body.endIndex && body[next] == UInt8(ascii: "]")
        if out.last == UInt8(ascii: "["), out.count > 1, isWord(out[out.count - 2]), closesIndex, text.allSatisfy(isWord), !text.isEmpty {
          out[out.count - 1] = UInt8(ascii: ".")
          out += text
          at = next + 1
        } else {
          out += [0x27] + text + [0x27]
          at = next
        }
        hadBlank = false
        continue
      }
      if hadBlank, let last = out.last, isWord(last), isWord(byte) { out.append(0x20) }
      hadBlank = false
      out.append(byte)
      at += 1
    }
    return out
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f
  }

  /// The text of the string that opens at `start`, and what follows it. A quote inside is marked, so that it cannot look like the end.
  private static func literal(_ body: ArraySlice<UInt8>, _ start: Int) -> (text: [UInt8], next: Int) {
    var out: [UInt8] = []
    var at = start + 1
    while at < body.endIndex, body[at] != body[start] {
      if body[at] == 0x5c, at + 1 < body.endIndex {
        at += 1
        if body[at] == UInt8(ascii: "n") { out.append(0x0a) } else { out += [0x5c, body[at]] }
      } else if body[at] == 0x27 {
        out += [0x5c, 0x27]
      } else {
        out.append(body[at])
      }
      at += 1
    }
    return (out, min(at + 1, body.endIndex))
  }
}
