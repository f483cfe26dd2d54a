import JSON

/// Cuts text into the words that the model then encodes one by one.
enum PreTokenizer: Sendable {
  enum Behavior: String, Sendable {
    case removed = "Removed", isolated = "Isolated", contiguous = "Contiguous"
    case mergedWithPrevious = "MergedWithPrevious", mergedWithNext = "MergedWithNext"
  }
  enum PrependScheme: String, Sendable { case always, first, never }

  case split(SplitPattern, Behavior, invert: Bool)
  case byteLevel(addsPrefixSpace: Bool, SplitPattern?)
  case digits(individual: Bool)
  case metaspace(replacement: [UInt8], PrependScheme, splits: Bool)

  var isByteLevel: Bool { if case .byteLevel = self { true } else { false } }

  /// GPT-2's expression, which ByteLevel applies when `use_regex` is true.
  private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// The steps of `pre_tokenizer`, sequences laid flat; none when it is null.
  static func steps(_ json: JSON?, at path: String = "pre_tokenizer") throws(TokenizerError) -> [PreTokenizer] {
    guard let json, !json.isNull else { return [] }
    switch try kind(of: json, at: path) {
    case "Sequence":
      let fields = try SettingsFields(json, at: path, known: ["type", "pretokenizers"])
      var steps: [PreTokenizer] = []
      for (index, part) in try fields.array("pretokenizers").enumerated() {
        // What follows ByteLevel would see its stand-ins instead of the text.
        if steps.contains(where: \.isByteLevel) { throw .unsupported("\(path).pretokenizers[\(index)] after ByteLevel") }
        steps += try Self.steps(part, at: "\(path).pretokenizers[\(index)]")
      }
      return steps
    case "Split": return [try split(json, path)]
    case "ByteLevel":
      let fields = try SettingsFields(json, at: path, known: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
      let pattern: SplitPattern? =
        try fields.bool("use_regex", default: true) ? .regex(try RegularExpression(gpt2, at: path)) : nil
      return [.byteLevel(addsPrefixSpace: try fields.bool("add_prefix_space", default: true), pattern)]
    case "Digits":
      let fields = try SettingsFields(json, at: path, known: ["type", "individual_digits"])
      return [.digits(individual: try fields.bool("individual_digits", default: false))]
    case "Metaspace":
      let metaspace = try MetaspaceSettings(json, path)
      return [.metaspace(replacement: metaspace.replacement, metaspace.scheme, splits: metaspace.splits)]
    case let other: throw .unsupported("\(path) '\(other)'")
    }
  }

  private static func split(_ json: JSON, _ path: String) throws(TokenizerError) -> PreTokenizer {
    let fields = try SettingsFields(json, at: path, known: ["type", "pattern", "behavior", "invert"])
    let name = try fields.string("behavior")
    guard let behavior = Behavior(rawValue: name) else { throw .unsupported("\(path).behavior '\(name)'") }
    let pattern = try SplitPattern(fields.value("pattern"), at: "\(path).pattern")
    return .split(pattern, behavior, invert: try fields.bool("invert", default: false))
  }
}

/// What a Metaspace pre-tokenizer or decoder says.
struct MetaspaceSettings {
  let replacement: [UInt8]
  let scheme: PreTokenizer.PrependScheme
  let splits: Bool

  init(_ json: JSON, _ path: String) throws(TokenizerError) {
    let fields = try SettingsFields(
      json, at: path, known: ["type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"])
    let text = try fields.string("replacement")
    guard text.unicodeScalars.count == 1 else { throw .invalid("\(path).replacement '\(text)' is not one character") }
    replacement = Array(text.utf8)
    // Older files have only add_prefix_space; where both stand they must agree.
    let adds = try fields.bool("add_prefix_space", default: true)
    let name = try fields.optionalString("prepend_scheme") ?? (adds ? "always" : "never")
    guard let scheme = PreTokenizer.PrependScheme(rawValue: name) else { throw .unsupported("\(path).prepend_scheme '\(name)'") }
    guard adds || scheme == .never else { throw .invalid("\(path).add_prefix_space contradicts prepend_scheme") }
    self.scheme = scheme
    splits = try fields.bool("split", default: true)
  }
}
