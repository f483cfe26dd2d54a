import JSON

/// How a byte-level tokenizer cuts text into words before merging: llama.cpp knows such ways by name, tokenizer.json spells them out.
struct GGUFPreTokenizer {
  /// The first is what hoof writes.
  let names: [String]
  /// In front of the byte-level step; nil where that has GPT-2's expression itself.
  let steps: [JSON]?
  /// A word that is a piece is not built by merges.
  let ignoresMerges: Bool
  /// What llama.cpp does where the file does not say.
  let addsBegin: Bool

  private static func split(_ pattern: String) -> [JSON] {
    [["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false]]
  }

  private static let llama3 =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let qwen2 =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let tekken =
    #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"#
    + #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  static let all = [
    GGUFPreTokenizer(
      names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"], steps: split(llama3), ignoresMerges: true, addsBegin: true),
    GGUFPreTokenizer(names: ["smaug-bpe", "dbrx"], steps: split(llama3), ignoresMerges: false, addsBegin: false),
    GGUFPreTokenizer(names: ["qwen2", "deepseek-r1-qwen"], steps: split(qwen2), ignoresMerges: false, addsBegin: false),
    GGUFPreTokenizer(names: ["tekken"], steps: split(tekken), ignoresMerges: true, addsBegin: true),
    GGUFPreTokenizer(
      names: ["smollm"], steps: [["type": "Digits", "individual_digits": true]], ignoresMerges: false, addsBegin: false),
    GGUFPreTokenizer(names: ["gpt-2", "olmo", "phi-2", "mpt"], steps: nil, ignoresMerges: false, addsBegin: false),
  ]

  /// `pre_tokenizer` of a tokenizer.json.
  var json: JSON {
    let byteLevel: JSON = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": .bool(steps == nil || isOfDigits),
    ]
    guard let steps else { return byteLevel }
    return ["type": "Sequence", "pretokenizers": .array(steps + [byteLevel])]
  }

  private var isOfDigits: Bool { steps?.first?["type"] == "Digits" }

  /// The way that a tokenizer.json spells out; nil when llama.cpp has no name for it.
  init?(_ preTokenizer: JSON?, ignoresMerges: Bool) {
    let steps = GGUFPreTokenizer.flat(preTokenizer)
    guard let last = steps.last, last["type"] == "ByteLevel", last["add_prefix_space"] == .bool(false) else { return nil }
    let usesExpression = last["use_regex"] != .bool(false)
    let first = steps.dropLast().map(GGUFPreTokenizer.essence)
    guard
      let match = GGUFPreTokenizer.all.first(where: { way in
        way.ignoresMerges == ignoresMerges && (way.steps ?? []).map(GGUFPreTokenizer.essence) == first
          && (way.steps == nil || way.isOfDigits) == usesExpression
      })
    else { return nil }
    self = match
  }

  private init(names: [String], steps: [JSON]?, ignoresMerges: Bool, addsBegin: Bool) {
    (self.names, self.steps, self.ignoresMerges, self.addsBegin) = (names, steps, ignoresMerges, addsBegin)
  }

  private static func flat(_ json: JSON?) -> [JSON] {
    guard let json, !json.isNull else { return [] }
    return json["type"] == "Sequence" ? (json["pretokenizers"]?.array ?? []).flatMap(flat) : [json]
  }

  /// What of a step decides where it cuts.
  private static func essence(_ step: JSON) -> [JSON?] {
    [
      step["type"], step["pattern"]?["Regex"], step["pattern"]?["String"], step["behavior"], step["individual_digits"],
      step["invert"] == .bool(true) ? .bool(true) : nil,
    ]
  }
}
