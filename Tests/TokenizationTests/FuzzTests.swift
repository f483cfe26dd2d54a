import JSON
import Testing
import TestSupport
import Tokenization

@Suite("Random input")
struct FuzzTests {
  @Test("damaged files are read or refused, never more", arguments: [1, 2])
  func mutations(seed: UInt64) throws {
    var generator = SeededGenerator(state: seed)
    let example = #"""
      {"added_tokens":[{"id":20,"content":"<s>","lstrip":true,"special":true}],
      "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
      "pre_tokenizer":{"type":"Split","pattern":{"Regex":"[^\\r\\n\\p{L}]?\\p{L}+|\\s+(?!\\S)|(?i:'s)"},"behavior":"MergedWithPrevious","invert":false},
      "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}}
      """#
    let files = [Array(try SmallTokenizer.file(example).text().utf8), Array(SmallTokenizer.byteLevel.text().utf8)]
    let fragments = [
      "\"", "{", "}", "[", "]", ",", ":", "\\", "null", "true", "-1", "99999999999", "1e9", "\u{2581}", "\\u0000", "é", "(", "+",
    ]
    .map { Array($0.utf8) }
    var (read, refused) = (0, 0)
    for round in 0..<1500 {
      var bytes = files[round % 2]
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let at = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<10, using: &generator) {
        case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &generator)
        case 1: bytes.removeSubrange(at..<min(at + Int.random(in: 1...20, using: &generator), bytes.count))
        case 2: bytes.insert(contentsOf: fragments.randomElement(using: &generator)!, at: at)
        case 3:
          let from = Int.random(in: 0..<bytes.count, using: &generator)
          bytes.insert(contentsOf: Array(bytes[from..<min(from + 30, bytes.count)]), at: at)
        case 4: if round % 10 == 0 { bytes.removeSubrange(at...) } else { bytes[at] ^= 1 }
        default:
          // Another digit or letter leaves JSON that is read to the end.
          if (0x30...0x39).contains(bytes[at]) { bytes[at] = UInt8.random(in: 0x30...0x39, using: &generator) }
          if (0x61...0x7a).contains(bytes[at]) { bytes[at] = UInt8.random(in: 0x61...0x7a, using: &generator) }
        }
        if bytes.isEmpty { bytes = [0x7b] }
      }
      do throws(TokenizerError) {
        let tokenizer = try Tokenizer(json: bytes)
        read += 1
        let ids = tokenizer.encode("ab 12!! <s> the thing é\n\n's")
        #expect(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize })
        _ = tokenizer.decode(ids + [-1, 300, .max])
      } catch {
        refused += 1
        #expect(!error.description.isEmpty)
      }
    }
    // Neither side may be empty, or the test tests nothing.
    #expect(read > 50 && refused > 50)
  }

  @Test("byte-level: decoding what was encoded gives the text back")
  func roundTrip() throws {
    let tokenizer = try Tokenizer(json: Array(SmallTokenizer.byteLevel.text().utf8))
    var generator = SeededGenerator(state: 5)
    for _ in 0..<400 {
      let text = randomText(&generator, scalars: Int.random(in: 0...200, using: &generator))
      #expect(Array(tokenizer.decode(tokenizer.encode(text, template: false)).utf8) == Array(text.utf8))
    }
  }

  @Test(
    "published byte-level tokenizers give random Unicode back",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), arguments: ["tokenizers/llama3-128k", "models/talespin-15m"])
  func publishedRoundTrip(folder: String) throws {
    let tokenizer = try SharedTokenizers.open(folder)
    var generator = SeededGenerator(state: 6)
    for _ in 0..<400 {
      let text = randomText(&generator, scalars: Int.random(in: 0...200, using: &generator))
      #expect(Array(tokenizer.decode(tokenizer.encode(text, template: false)).utf8) == Array(text.utf8))
    }
  }
}
