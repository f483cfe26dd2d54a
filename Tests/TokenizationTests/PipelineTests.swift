import JSON
import TensorTesting
import Testing

@testable import Tokenization

@Suite("Parts of the pipeline")
struct PipelineTests {
  @Test("each part does what the tokenizers library does", arguments: PipelineCase.all)
  func matchesLibrary(example: PipelineCase) throws {
    let tokenizer = try SmallTokenizer.make(example.settings)
    #expect(tokenizer.encode(example.text) == example.ids)
    #expect(tokenizer.decode(example.ids) == example.decoded)
  }

  @Test("merges written as one string read like merges written as two")
  func mergeSpellings() throws {
    let pairs = try SmallTokenizer.make(#"{"model":{"merges":[["a","b"],["▁","a"],["▁","ab"]]}}"#)
    let strings = try SmallTokenizer.make(#"{"model":{"merges":["a b","▁ a","▁ ab"]}}"#)
    for text in ["ab▁ab▁a", "▁▁aab"] { #expect(pairs.encode(text) == strings.encode(text)) }
    #expect(strings.encode("▁ab") == [10])
  }

  @Test("the heap merges a word as the scan does")
  func heapEqualsScan() {
    var generator = RandomGenerator(seed: 11)
    for _ in 0..<300 {
      let alphabet = Int32.random(in: 2...6, using: &generator)
      var merges: [PairTable.Merge] = []
      var limit = alphabet
      for _ in 0..<Int.random(in: 1...30, using: &generator) {
        let (left, right) = (Int32.random(in: 0..<limit, using: &generator), Int32.random(in: 0..<limit, using: &generator))
        merges.append(PairTable.Merge(left: left, right: right, merged: limit))
        limit += 1
      }
      let pairs = PairTable(merges)
      var scan = MergeBuffers()
      scan.ids = (0..<Int.random(in: 0...200, using: &generator)).map { _ in Int32.random(in: 0..<alphabet, using: &generator) }
      var heap = scan
      scan.merge(with: pairs, scanLimit: .max)
      heap.merge(with: pairs, scanLimit: 0)
      #expect(scan.ids == heap.ids)
    }
  }

  @Test("look-ups by id and by piece agree, and holes have no piece")
  func lookUps() throws {
    let tokenizer = try SmallTokenizer.make(
      #"{"added_tokens":[{"id":25,"content":"<s>","special":true}],"model":{"vocab":{"a":0,"b":7,"ab":3},"merges":["a b"],"unk_token":null}}"#
    )
    #expect(tokenizer.vocabularySize == 26)
    #expect(tokenizer.piece(3) == "ab" && tokenizer.id(of: "ab") == 3)
    #expect(tokenizer.piece(25) == "<s>" && tokenizer.id(of: "<s>") == 25)
    for id: Int32 in [-1, 1, 24, 26, .max, .min] { #expect(tokenizer.piece(id) == nil) }
    #expect(tokenizer.id(of: "c") == nil && tokenizer.id(of: "") == nil)
    #expect(tokenizer.decode([0, 24, 25, -5, 7]) == "a <s> b")
    #expect(tokenizer.decode([0, 25, 7], skipSpecial: true) == "a b")
    #expect(tokenizer.decodeBytes(24) == [] && tokenizer.decodeBytes(3) == Array("ab".utf8))
  }

  @Test("a byte-level token's bytes are the raw ones")
  func rawBytes() throws {
    let tokenizer = try Tokenizer(json: Array(SmallTokenizer.byteLevel.text().utf8))
    for byte in 0..<256 { #expect(tokenizer.decodeBytes(Int32(byte)) == [UInt8(byte)]) }
    #expect(tokenizer.decodeBytes(264) == Array("<|begin|>".utf8))
    #expect(tokenizer.bosTokens == [264] && tokenizer.endTokens == [])
  }

  @Test("bytes that are not UTF-8 are refused at their offset")
  func notUTF8() throws {
    let tokenizer = try SmallTokenizer.make("{}")
    #expect(try tokenizer.encode(utf8: Array("ab é".utf8)) == tokenizer.encode("ab é"))
    let bad: [([UInt8], Int)] = [
      ([0x61, 0xff], 1), ([0xc3], 0), ([0xc0, 0x80], 0), ([0xed, 0xa0, 0x80], 0), ([0x61, 0xf4, 0x90, 0x80, 0x80], 1),
      ([0xe2, 0x96], 0), ([UInt8](repeating: 0x61, count: 9) + [0x80], 9), ([0xf0, 0x8f, 0xbf, 0xbf], 0), ([0xe0, 0x9f, 0xbf], 0),
    ]
    for (bytes, offset) in bad {
      #expect(throws: TokenizerError.notUTF8(offset: offset)) { try tokenizer.encode(utf8: bytes) }
    }
  }

  @Test("an expression that backtracks without end gives ids all the same")
  func catastrophicExpression() throws {
    let tokenizer = try SmallTokenizer.make(
      #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:a|aa|a+)+[!?]"},"behavior":"Isolated","invert":false}}"#)
    let text = String(repeating: "a", count: 2000)
    // Given up, the text is one word, as if nothing matched.
    #expect(tokenizer.encode(text) == (try SmallTokenizer.make("{}")).encode(text))
    // And the next text is not the worse for it.
    #expect(tokenizer.encode("aa!b") == [16, 7, 3])
  }

  @Test("many threads encode alike")
  func concurrent() async throws {
    let tokenizer = try Tokenizer(json: Array(SmallTokenizer.byteLevel.text().utf8))
    var generator = RandomGenerator(seed: 3)
    let texts = (0..<50).map { _ in randomText(&generator, scalars: 100) }
    let expected = texts.map { tokenizer.encode($0) }
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 { group.addTask { texts.map { tokenizer.encode($0) } == expected } }
      for await isEqual in group { #expect(isEqual) }
    }
  }
}
