import CPCRE2
import JSON

/// What a Split or Replace looks for: a string or a regular expression.
enum SplitPattern: Sendable {
  case literal([UInt8])
  case regex(RegularExpression)

  /// `{"String": "…"}` or `{"Regex": "…"}`.
  init(_ json: JSON?, at path: String) throws(TokenizerError) {
    let fields = try SettingsFields(json, at: path, known: ["String", "Regex"])
    switch (try fields.optionalString("String"), try fields.optionalString("Regex")) {
    case (let text?, nil): self = .literal(Array(text.utf8))
    case (nil, let pattern?): self = .regex(try RegularExpression(pattern, at: "\(path).Regex"))
    default: throw .invalid("\(path) needs either String or Regex")
    }
  }

  /// Calls `body` with each match in `text`, from the left, none overlapping.
  func forEachMatch(in text: Bytes, using state: MatchState, _ body: (Range<Int>) -> Void) {
    switch self {
    case .regex(let regex): regex.forEachMatch(in: text, using: state, body)
    case .literal(let needle):
      guard let first = needle.first else { return }
      var at = 0
      while text.count - at >= needle.count {
        if text[at] == first, needle.indices.allSatisfy({ text[at + $0] == needle[$0] }) {
          body(at..<at + needle.count)
          at += needle.count
        } else {
          at += 1
        }
      }
    }
  }
}

/// A compiled regular expression of a tokenizer.json, which is written for Oniguruma, run by PCRE2 with its just-in-time compiler.
///
/// Unchecked: PCRE2's compiled code is not written to once `init` has finished.
final class RegularExpression: @unchecked Sendable {
  private static let longestPattern = 20_000

  private let code: OpaquePointer

  init(_ pattern: String, at path: String) throws(TokenizerError) {
    guard pattern.utf8.count <= Self.longestPattern else { throw .unsupported("\(path) of more than \(Self.longestPattern) bytes") }
    let translated = Array(try OnigurumaPattern(pattern, at: path).translated.utf8)
    var error: Int32 = 0
    var offset = 0
    // Oniguruma's ^ and $ match at every line.
    let options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE
    guard let code = pcre2_compile_8(translated, translated.count, options, &error, &offset, nil) else {
      var message = [UInt8](repeating: 0, count: 256)
      pcre2_get_error_message_8(error, &message, message.count)
      let reason = String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
      throw .invalid("\(path) is not a regular expression: \(reason)")
    }
    self.code = code
    // Where the machine has no just-in-time compiler the interpreter does the same, slower.
    _ = pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
  }

  deinit { pcre2_code_free_8(code) }

  /// Calls `body` with each match in `text`, which is well-formed UTF-8. Empty matches right behind another match are left out, as
  /// the onig crate does.
  ///
  /// An expression that backtracks past PCRE2's limits (10 million steps, 20 MB) ends the search: what follows counts as text without
  /// a match. No expression of a published Llama-family tokenizer comes near them.
  func forEachMatch(in text: Bytes, using state: MatchState, _ body: (Range<Int>) -> Void) {
    guard let data = state.data, let base = text.baseAddress, let vector = pcre2_get_ovector_pointer_8(data) else { return }
    var at = 0
    var lastEnd = -1
    while at <= text.count {
      var found = pcre2_match_8(code, base, text.count, at, PCRE2_NO_UTF_CHECK, data, state.context)
      if found == PCRE2_ERROR_JIT_STACKLIMIT {
        found = pcre2_match_8(code, base, text.count, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, state.context)
      }
      guard found >= 0 else { return }
      let (start, end) = (vector[0], vector[1])
      // \K and look-behind tricks could turn a match round; such patterns are refused, this keeps the loop safe all the same.
      guard start >= at, end >= start, end <= text.count else { return }
      if start == end, end == lastEnd {
        at = end < text.count ? end + scalarLength(text[end]) : end + 1
        continue
      }
      body(start..<end)
      at = end
      lastEnd = end
    }
  }
}
