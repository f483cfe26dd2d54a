import Spelling

/// Reading option values. A failure is the reason, as the second half of "--flag value: …".
extension CommandOption {
  struct Refusal: Error { let reason: String }

  func read(_ text: String) throws(Refusal) -> Arguments.Value {
    switch kind {
    case .flag: throw Refusal(reason: "takes no value")
    case .string: return .string(text)
    case .strings: return .strings([text])
    case .int(let range):
      guard let number = Int(text) else { throw Refusal(reason: "expected a whole number, not '\(text)'") }
      guard range.contains(number) else { throw Refusal(reason: "\(text) is out of range: expected \(CommandOption.describe(range))") }
      return .int(number)
    case .double(let range):
      guard let number = Double(text), number.isFinite else { throw Refusal(reason: "expected a number, not '\(text)'") }
      guard range.contains(number) else { throw Refusal(reason: "\(text) is out of range: expected \(CommandOption.describe(range))") }
      return .double(number)
    case .size:
      guard let bytes = CommandOption.bytes(text) else {
        throw Refusal(reason: "expected a size such as 512M or 1.5G, not '\(text)'")
      }
      return .int(bytes)
    case .indices: return .indices(try CommandOption.indexList(text))
    case .choice(let names):
      guard names.contains(text) else {
        let hint = NearestName.hint(for: text, in: names)
        throw Refusal(reason: "expected \(names.joined(separator: ", ")), not '\(text)'\(hint)")
      }
      return .string(text)
    }
  }

  private static func describe(_ range: ClosedRange<Int>) -> String {
    range.upperBound == Int.max ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
  }

  private static func describe(_ range: ClosedRange<Double>) -> String {
    range.upperBound == .greatestFiniteMagnitude ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
  }

  /// "4096", "64K", "1.5G", "2GiB"; nil for anything else, negative or beyond 64 bits.
  static func bytes(_ text: String) -> Int? {
    var digits = Substring(text.uppercased())
    for ending in ["IB", "B"] where digits.hasSuffix(ending) {
      digits = digits.dropLast(ending.count)
      break
    }
    var unit = 1.0
    for (suffix, shift) in [("K", 10), ("M", 20), ("G", 30), ("T", 40)] where digits.hasSuffix(suffix) {
      digits = digits.dropLast()
      unit = Double(1 << shift)
      break
    }
    // Double also reads "0x10", "1e30" and "inf", which nobody means as a size.
    guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 == UInt8(ascii: ".") }), let number = Double(String(digits)) else {
      return nil
    }
    return Int(exactly: (number * unit).rounded())
  }

  /// No model has as many layers, heads or neurons; a longer range is a slip of the keyboard and must not fill the memory.
  private static let greatestIndex = 1 << 20

  /// "3,5,10-12" → [3, 5, 10, 11, 12].
  static func indexList(_ text: String) throws(Refusal) -> [Int] {
    var found: Set<Int> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { index(String($0)) }
      guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil else {
        throw Refusal(reason: "expected 0-based indices such as 3,5,10-12, not '\(text)'")
      }
      guard first <= last else { throw Refusal(reason: "the range '\(part)' runs backwards") }
      guard last <= greatestIndex else { throw Refusal(reason: "the index \(last) is out of range") }
      found.formUnion(first...last)
    }
    return found.sorted()
  }

  /// The same for a part of a longer value; nil for anything else.
  public static func indices(in text: String) -> [Int]? { try? indexList(text) }

  private static func index(_ text: String) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    return Int(text)
  }
}
