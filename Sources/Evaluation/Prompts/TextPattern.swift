import CPCRE2

/// A regular expression that is looked for in a text, as PCRE2 and Perl write it; letters and digits are Unicode's.
///
/// Unchecked: PCRE2's compiled code is not written to once `init` has finished.
public final class TextPattern: @unchecked Sendable {
  public let source: String
  let code: OpaquePointer

  private static let longest = 20_000
  /// Ways that are tried before a search is given up: an expression that backtracks for ever is a mistake in it.
  static let steps: UInt32 = 10_000_000

  /// Why an expression cannot be used.
  public struct Refusal: Error, Sendable, Equatable, CustomStringConvertible { public let description: String }

  public init(_ source: String) throws(Refusal) {
    let bytes = Array(source.utf8)
    guard bytes.count <= TextPattern.longest else {
      throw Refusal(description: "a regular expression of \(bytes.count) bytes; at most \(TextPattern.longest) are taken")
    }
    var (error, offset): (Int32, Int) = (0, 0)
    // \C would cut characters.
    let options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C
    guard let code = pcre2_compile_8(bytes, bytes.count, options, &error, &offset, nil) else {
      throw Refusal(description: "not a regular expression: \(TextPattern.message(error)) at character \(offset)")
    }
    (self.code, self.source) = (code, source)
  }

  deinit { pcre2_code_free_8(code) }

  /// Whether it matches somewhere in `text`.
  /// - Throws: where the search had to be given up.
  public func matches(_ text: String) throws(Refusal) -> Bool {
    let bytes = Array(text.utf8)
    guard let data = pcre2_match_data_create_8(1, nil), let context = pcre2_match_context_create_8(nil) else {
      throw Refusal(description: "no memory to look for it")
    }
    defer {
      pcre2_match_data_free_8(data)
      pcre2_match_context_free_8(context)
    }
    pcre2_set_match_limit_8(context, TextPattern.steps)
    let found = pcre2_match_8(code, bytes, bytes.count, 0, 0, data, context)
    if found >= 0 { return true }
    if found == PCRE2_ERROR_NOMATCH { return false }
    throw Refusal(description: "the search was given up: \(TextPattern.message(found))")
  }

  static func message(_ code: Int32) -> String {
    var message = [UInt8](repeating: 0, count: 256)
    pcre2_get_error_message_8(code, &message, message.count)
    return String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
  }
}
