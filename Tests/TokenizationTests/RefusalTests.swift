import JSON
import Testing
import Tokenization

@Suite("Files that cannot be read rightly are refused")
struct RefusalTests {
  static let refused: [(settings: String, named: String)] = [
    (#"{"normalizer":{"type":"NFC"}}"#, "normalizer 'NFC'"),
    (#"{"normalizer":{"type":"Sequence","normalizers":[{"type":"Lowercase"}]}}"#, "normalizer.normalizers[0] 'Lowercase'"),
    (#"{"normalizer":{"prepend":"x"}}"#, "normalizer.type"),
    (#"{"normalizer":{"type":"Prepend","prepend":7}}"#, "normalizer.prepend"),
    (#"{"pre_tokenizer":{"type":"BertPreTokenizer"}}"#, "pre_tokenizer 'BertPreTokenizer'"),
    (#"{"pre_tokenizer":{"type":"ByteLevel","surprise":1}}"#, "pre_tokenizer.surprise"),
    (
      #"{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}}"#,
      "pretokenizers[1] after ByteLevel"
    ),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"}}"#, "behavior 'Sideways'"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{},"behavior":"Isolated"}}"#, "pattern"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"}}"#, "Regex is not a regular expression"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a\\"},"behavior":"Isolated"}}"#, "backslash"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\h"},"behavior":"Isolated"}}"#, "escape '\\h'"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?R)"},"behavior":"Isolated"}}"#, "the group"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(*UTF)a"},"behavior":"Isolated"}}"#, "the group"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a&&b]"},"behavior":"Isolated"}}"#, "&&"),
    (#"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a{2}+"},"behavior":"Isolated"}}"#, "}+"),
    (#"{"pre_tokenizer":{"type":"Metaspace","replacement":"__"}}"#, "replacement"),
    (#"{"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"often"}}"#, "prepend_scheme 'often'"),
    (#"{"post_processor":{"type":"BertProcessing"}}"#, "post_processor 'BertProcessing'"),
    (#"{"post_processor":{"type":"TemplateProcessing","single":[]}}"#, "leaves the text out"),
    (
      #"{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{}}}"#,
      "special_tokens['<s>']"
    ),
    (
      #"{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}],"special_tokens":{"s":{"id":"s","ids":[99]}}}}"#,
      "99 is no token"
    ),
    (#"{"decoder":{"type":"WordPiece"}}"#, "decoder 'WordPiece'"),
    (#"{"decoder":{"type":"Strip","content":" ","start":-1,"stop":0}}"#, "decoder.start"),
    (#"{"surprise":1}"#, "tokenizer.json.surprise"),
    (#"{"model":{"type":"Unigram"}}"#, "model.type 'Unigram'"),
    (#"{"model":{"surprise":1}}"#, "model.surprise"),
    (#"{"model":{"dropout":0.1}}"#, "model.dropout 0.1"),
    (#"{"model":{"end_of_word_suffix":"</w>"}}"#, "model.end_of_word_suffix"),
    (#"{"model":{"unk_token":"<nope>"}}"#, "model.unk_token '<nope>'"),
    (#"{"model":{"fuse_unk":1}}"#, "model.fuse_unk"),
    (#"{"model":{"vocab":[]}}"#, "model.vocab"),
    (#"{"model":{"merges":{}}}"#, "model.merges"),
    (#"{"model":{"vocab":{"a":0,"b":0},"merges":[]}}"#, "the id 0 appears twice"),
    (#"{"model":{"vocab":{"a":-1},"merges":[]}}"#, "id from 0"),
    (#"{"model":{"vocab":{"a":1.5},"merges":[]}}"#, "expected"),
    (#"{"model":{"vocab":{"a":2147483647},"merges":[]}}"#, "out of range"),
    (#"{"model":{"vocab":{"a":4294967296},"merges":[]}}"#, "id from 0"),
    (#"{"model":{"vocab":{"a":99999999999999999999999},"merges":[]}}"#, "expected"),
    (#"{"model":{"merges":["a q"]}}"#, "'q', which model.vocab lacks"),
    (#"{"model":{"merges":["a c"]}}"#, "'ac', which model.vocab lacks"),
    (#"{"model":{"merges":["ab"]}}"#, "number 0"),
    (#"{"model":{"merges":["a b c"]}}"#, "number 0"),
    (#"{"model":{"merges":[["a","b","c"]]}}"#, "expected"),
    (#"{"model":{"merges":[["a"]]}}"#, "expected"),
    (#"{"model":{"merges":[7]}}"#, "expected"),
    (#"{"added_tokens":{}}"#, "added_tokens"),
    (#"{"added_tokens":[{"id":30,"content":""}]}"#, "content is empty"),
    (#"{"added_tokens":[{"id":-3,"content":"x"}]}"#, "added_tokens[0].id"),
    (#"{"added_tokens":[{"id":2000000000,"content":"x"}]}"#, "out of range"),
    (#"{"added_tokens":[{"id":30,"content":"x"},{"id":30,"content":"y"}]}"#, "id 30 appears twice"),
    (#"{"added_tokens":[{"id":30,"content":"x"},{"id":31,"content":"x"}]}"#, "'x' appears twice"),
    (#"{"added_tokens":[{"id":2,"content":"x"}]}"#, "is 'a' in model.vocab"),
    (#"{"added_tokens":[{"id":30,"content":"a"}]}"#, "has the id 2"),
  ]

  @Test("the message names what is wrong", arguments: refused)
  func refuses(settings: String, named: String) throws {
    let error = #expect(throws: TokenizerError.self) { try SmallTokenizer.make(settings) }
    let message = error?.description ?? ""
    #expect(message.contains(named), "\(message)")
    #expect(!message.contains("\n"))
  }

  @Test("text that is no tokenizer.json at all is refused")
  func noTokenizer() {
    let deep = String(repeating: "[", count: 100_000)
    for text in [
      "", " ", "7", "null", "[]", "{", "{}", #"{"model":{}}"#, #"{"model":7}"#, #"{"model":{"vocab":{}"#, deep, #"{"model":"# + deep,
      #"{"model":{"vocab":{},"vocab":{},"merges":[]}}"#, #"{"model":{"vocab":{"a":0,"a":1},"merges":[]}}"#,
      #"{"model":{"vocab":{"\ud800":0},"merges":[]}}"#, #"{"model":{"vocab":{"a":0},"merges":[]}} x"#, "\u{feff}{}",
      #"{"model":{"vocab":{"a"#,
      #"{"model":{"vocab":{"a\"#,
    ] { #expect(throws: TokenizerError.self, "\(text.prefix(60))") { try Tokenizer(json: Array(text.utf8)) } }
    #expect(throws: TokenizerError.self) { try Tokenizer(json: [0x7b, 0x22, 0xff, 0x22, 0x7d]) }
  }
}
