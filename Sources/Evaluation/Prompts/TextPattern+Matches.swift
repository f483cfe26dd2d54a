import CPCRE2

/// All matches of a text, as Python's `re` finds them.
extension TextPattern {
  private static let longestResult = 16 << 20

  /// How many groups in parentheses the expression has.
  public var groupCount: Int {
    var count: UInt32 = 0
    pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_CAPTURECOUNT), &count)
    return Int(count)
  }

  /// `re.findall`: for every match its groups, empty where a group took no part; the match itself where the expression has no groups.
  public func findAll(in text: String) throws(Refusal) -> [[String]] {
    let bytes = Array(text.utf8)
    var found: [[String]] = []
    try forEachMatch(in: bytes) { groups in
      found.append((groups.count > 1 ? groups[1...] : groups[...]).map { $0.map { String(decoding: bytes[$0], as: UTF8.self) } ?? "" })
      return true
    }
    return found
  }

  /// `re.sub`: "\1" and "\g<1>" in `replacement` stand for groups, "\n" for a line end.
  /// - Parameter limit: matches that are replaced, from the first; nil for all.
  public func replacing(in text: String, with replacement: String, limit: Int? = nil) throws(Refusal) -> String {
    let pieces = try replacementPieces(replacement)
    let bytes = Array(text.utf8)
    var (out, end, count, isTooLong): ([UInt8], Int, Int, Bool) = ([], 0, 0, false)
    try forEachMatch(in: bytes) { groups in
      out += bytes[end..<groups[0]!.lowerBound]
      for piece in pieces {
        switch piece {
        case .text(let text): out += text
        case .group(let index): if let range = groups[index] { out += bytes[range] }
        }
      }
      end = groups[0]!.upperBound
      count += 1
      isTooLong = out.count > TextPattern.longestResult
      return count != limit && !isTooLong
    }
    guard !isTooLong else { throw Refusal(description: "replacing makes a text longer than \(TextPattern.longestResult >> 20) MiB") }
    return String(decoding: out + bytes[end...], as: UTF8.self)
  }

  private enum Piece { case text([UInt8]), group(Int) }

  private func replacementPieces(_ replacement: String) throws(Refusal) -> [Piece] {
    var pieces: [Piece] = []
    var rest = Array(replacement.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let escaped = rest.first else {
        pieces.append(.text([byte]))
        continue
      }
      rest.removeFirst()
      switch escaped {
      case UInt8(ascii: "n"): pieces.append(.text([0x0a]))
      case UInt8(ascii: "t"): pieces.append(.text([0x09]))
      case UInt8(ascii: "\\"): pieces.append(.text([escaped]))
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "g"):
        var digits = escaped == UInt8(ascii: "g") ? [] : [escaped]
        if escaped == UInt8(ascii: "g") {
          guard rest.popFirst() == UInt8(ascii: "<"), let close = rest.firstIndex(of: UInt8(ascii: ">")) else {
            throw Refusal(description: "a replacement with '\\g' and no group")
          }
          digits = Array(rest[..<close])
          rest = rest[(close + 1)...]
        } else if let second = rest.first, (0x30...0x39).contains(second) {
          digits.append(second)
          rest.removeFirst()
        }
        guard let index = Int(String(decoding: digits, as: UTF8.self)), (0...groupCount).contains(index) else {
          throw Refusal(
            description: "a replacement with a group that the expression does not have: \(String(decoding: digits, as: UTF8.self))")
        }
        pieces.append(.group(index))
      default: throw Refusal(description: "a replacement with an unknown escape '\\\(Character(UnicodeScalar(escaped)))'")
      }
    }
    return pieces
  }

  /// - Parameter body: gets where the match and its groups lie; false ends the search.
  private func forEachMatch(in bytes: [UInt8], _ body: ([Range<Int>?]) -> Bool) throws(Refusal) {
    guard let data = pcre2_match_data_create_from_pattern_8(code, nil), let context = pcre2_match_context_create_8(nil) else {
      throw Refusal(description: "no memory to look for it")
    }
    defer {
      pcre2_match_data_free_8(data)
      pcre2_match_context_free_8(context)
    }
    pcre2_set_match_limit_8(context, TextPattern.steps)
    var (at, options): (Int, UInt32) = (0, 0)
    let groups = groupCount + 1
    while true {
      let found = pcre2_match_8(code, bytes, bytes.count, at, options, data, context)
      if found == PCRE2_ERROR_NOMATCH { return }
      guard found > 0, let ends = pcre2_get_ovector_pointer_8(data) else {
        throw Refusal(description: "the search was given up: \(TextPattern.message(found))")
      }
      let ranges = (0..<groups).map { i in ends[2 * i] < 0 || ends[2 * i] > ends[2 * i + 1] ? nil : ends[2 * i]..<ends[2 * i + 1] }
      // \K may set the beginning behind the end.
      guard let whole = ranges[0], whole.lowerBound >= at else { throw Refusal(description: "a match that ends before it begins") }
      guard body(ranges) else { return }
      // Python: behind an empty match the next one at the same place must not be empty.
      at = whole.upperBound
      options = UInt32(PCRE2_NO_UTF_CHECK) | (whole.isEmpty ? UInt32(PCRE2_NOTEMPTY_ATSTART) : 0)
    }
  }
}
