import JSON
import TensorTesting
import TestSupport
import Testing
import Tokenization

/// Texts that are tokenised part by part.
@Suite("Parts")
struct PartTests {
  private static let settings = [
    // SentencePiece as Llama 2's file has it, and as newer files write it.
    #"{"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}}"#,
    #"{"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}}"#,
    #"{"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}}"#,
  ]

  @Test("only the beginning of a text gets a space in front, and no token crosses a border", arguments: settings)
  func space(settings: String) throws {
    let tokenizer = try SmallTokenizer.make(settings)
    func pieces(_ parts: [String]) -> [[String]] { tokenizer.encode(parts: parts).map { $0.map { tokenizer.piece($0)! } } }
    #expect(pieces(["ab", " a", "b"]) == [["▁ab"], ["▁a"], ["b"]])
    #expect(pieces(["", "ab"]) == [[], ["▁ab"]] && pieces(["a", "", "b"]) == [["▁a"], [], ["b"]])
    #expect(pieces(["ab a"]) == [tokenizer.encode("ab a", template: false).map { tokenizer.piece($0)! }])
  }

  @Test("behind an added token a part begins as it does in the whole text", arguments: settings)
  func addedTokens(settings: String) throws {
    let added = #", "added_tokens": [{"id": 20, "content": "<s>", "special": true}]}"#
    let tokenizer = try SmallTokenizer.make(settings.dropLast() + added)
    for parts in [["ab<s>", "ab"], ["<s>", "ab", " ab"], ["ab", "<s>ab", " a<s>"], ["<s><s>", "a"]] {
      #expect(Array(tokenizer.encode(parts: parts).joined()) == tokenizer.encode(parts.joined(), template: false), "\(parts)")
    }
  }

  @Test("a prefix space is put before the first part only")
  func prefixSpace() throws {
    let settings = #"{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}}"#
    var file = try SmallTokenizer.file(settings).object!
    file["model"] = SmallTokenizer.byteLevel["model"]
    let tokenizer = try Tokenizer(json: Array(JSON.object(file).text().utf8))
    let pieces = tokenizer.encode(parts: ["the", "the", " the"]).map { $0.map { tokenizer.piece($0)! } }
    #expect(pieces == [["Ġthe"], ["the"], ["Ġthe"]])
  }

  @Test(
    "published tokenizers: cut before spaces, parts have the ids of the whole; cut anywhere, each part has ids of its own text",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: ["tokenizers/llama3-128k", "tokenizers/llama2-32k", "models/talespin-15m", "models/stories260K"])
  func published(folder: String) throws {
    let tokenizer = try SharedTokenizers.open(folder)
    var generator = RandomGenerator(seed: 8)
    let words = ["the", "Ben's", "42", "!?", "café", "said:", "\u{1F600}", "x\n"]
    for _ in 0..<200 {
      let text = (0..<12).map { _ in words.randomElement(using: &generator)! }.joined(separator: " ")
      // Behind a line end, byte-level patterns take spaces and line ends together.
      var parts: [String] = [""]
      for word in text.split(separator: " ") {
        if parts.last!.isEmpty || parts.last!.hasSuffix("\n") || Bool.random(using: &generator) {
          parts[parts.count - 1] += (parts == [""] ? "" : " ") + word
        } else {
          parts.append(" " + word)
        }
      }
      #expect(Array(tokenizer.encode(parts: parts).joined()) == tokenizer.encode(parts.joined(), template: false), "\(parts)")
      let scalars = Array(text.unicodeScalars)
      let cut = Int.random(in: 1..<scalars.count, using: &generator)
      let halves = [scalars[..<cut], scalars[cut...]].map { String(String.UnicodeScalarView($0)) }
      let bytes = tokenizer.encode(parts: halves).map { $0.flatMap(tokenizer.decodeBytes) }
      let hasSpace = bytes[0].first == 0x20 && !halves[0].hasPrefix(" ")
      #expect(
        (hasSpace ? Array(bytes[0].dropFirst()) : bytes[0]) == Array(halves[0].utf8) && bytes[1] == Array(halves[1].utf8), "\(halves)")
    }
  }
}
