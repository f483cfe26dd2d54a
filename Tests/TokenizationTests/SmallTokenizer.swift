import JSON
import TensorTesting
import Tokenization

/// Tokenizers small enough to write down.
enum SmallTokenizer {
  static let vocabulary: JSON = [
    "<unk>": 0, "▁": 1, "a": 2, "b": 3, "c": 4, "1": 5, "2": 6, "!": 7, "ab": 8, "▁a": 9, "▁ab": 10, "12": 11, "<0xC3>": 12, "<0xA9>": 13,
    "1!": 14, " ": 15, "aa": 16, "aaa": 17, " a": 18,
  ]
  static let merges: JSON = [
    ["a", "b"], ["▁", "a"], ["▁", "ab"], ["1", "2"], ["1", "!"], ["a", "a"], ["aa", "a"], [" ", "a"],
  ]
  static let base: JSON = [
    "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": [], "normalizer": nil, "pre_tokenizer": nil, "post_processor": nil,
    "decoder": nil,
    "model": [
      "type": "BPE", "dropout": nil, "unk_token": "<unk>", "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": false,
      "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": merges,
    ],
  ]

  /// `base` with the members that `settings` names replaced; those of `model` one by one.
  static func file(_ settings: String) throws -> JSON {
    guard case .object(var file) = base, case .object(var model)? = base["model"] else { return base }
    for (name, value) in try JSON(parsing: settings).object?.members.map({ $0 }) ?? [] {
      if name == "model" {
        for (field, value) in value.object?.members.map({ $0 }) ?? [] { model[field] = value }
      } else {
        file[name] = value
      }
    }
    file["model"] = .object(model)
    return .object(file)
  }

  static func make(_ settings: String) throws -> Tokenizer { try Tokenizer(json: Array(file(settings).text().utf8)) }

  /// GPT-2's stand-in for each byte, computed here a second time.
  static let byteScalars: [String] = {
    var next: UInt32 = 256
    return (UInt32(0)..<256).map { byte in
      var value = byte
      if byte < 33 || (127...160).contains(byte) || byte == 173 {
        value = next
        next += 1
      }
      return String(Unicode.Scalar(value)!)
    }
  }()

  /// Byte-level with a few merges and the Llama 3 split; ids 0 to 255 are the bytes.
  static let byteLevel: JSON = {
    var vocabulary = JSON.Object()
    for (byte, scalar) in byteScalars.enumerated() { vocabulary[scalar] = .int(byte) }
    for (index, piece) in ["th", "the", "Ġt", "Ġthe", "in", "ing", "ĠĠ", "ĠĠĠĠ"].enumerated() { vocabulary[piece] = .int(256 + index) }
    return [
      "version": "1.0",
      "added_tokens": [
        [
          "id": 264, "content": "<|begin|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
        ]
      ],
      "pre_tokenizer": [
        "type": "Sequence",
        "pretokenizers": [
          [
            "type": "Split", "behavior": "Isolated", "invert": false,
            "pattern": [
              "Regex": .string(
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#)
            ],
          ], ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false],
        ],
      ],
      "post_processor": [
        "type": "TemplateProcessing",
        "single": [["SpecialToken": ["id": "<|begin|>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
        "special_tokens": ["<|begin|>": ["id": "<|begin|>", "ids": [264], "tokens": ["<|begin|>"]]],
      ],
      "decoder": ["type": "ByteLevel"],
      "model": [
        "type": "BPE", "ignore_merges": true, "vocab": .object(vocabulary),
        "merges": ["t h", "th e", "Ġ t", "Ġt he", "Ġ the", "i n", "in g", "Ġ Ġ", "ĠĠ ĠĠ"].filterKnown(vocabulary),
      ],
    ]
  }()
}

extension [String] {
  /// Merges whose parts and result are pieces, as JSON.
  fileprivate func filterKnown(_ vocabulary: JSON.Object) -> JSON {
    .array(
      filter { merge in
        let parts = merge.split(separator: " ").map(String.init)
        return (parts + [parts.joined()]).allSatisfy { vocabulary[$0] != nil }
      }.map(JSON.string))
  }
}

/// Text with scalars from all over Unicode, blanks and words.
func randomText(_ generator: inout RandomGenerator, scalars: Int) -> String {
  var text = String.UnicodeScalarView()
  while text.count < scalars {
    switch Int.random(in: 0..<5, using: &generator) {
    case 0: text.append(contentsOf: "the thing 's".unicodeScalars)
    case 1: text.append(contentsOf: repeatElement(Unicode.Scalar([0x20, 0x0a, 0x09, 0x3000].randomElement(using: &generator)!)!, count: 3))
    case 2: text.append(Unicode.Scalar(UInt8.random(in: 0...127, using: &generator)))
    default:
      let limit: UInt32 = [0x300, 0x3000, 0xffff, 0x10ffff].randomElement(using: &generator)!
      if let scalar = Unicode.Scalar(UInt32.random(in: 0...limit, using: &generator)) { text.append(scalar) }
    }
  }
  return String(text)
}
