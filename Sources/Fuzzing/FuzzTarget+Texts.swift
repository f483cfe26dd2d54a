import Evaluation
import Formats
import Generation
import JSON
import Tokenization
import Training

extension FuzzTarget {
  /// Tokenizers, and the texts they are given.
  static func texts() throws -> [FuzzTarget] {
    let messages = #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "caf\u00e9"}]}"#
    let lines = [
      #"{"text": "Once upon a time"}"#, #"{"prompt": "2 + 2 =", "completion": " 4"}"#, "",
      #"{"instruction": "Add.", "input": "2 2", "output": "4"}"#, messages,
    ]
    return [
      FuzzTarget(name: "tokenizer", seeds: [sentencePiece, byteLevel].map { Array($0.utf8) }) { bytes in
        let tokenizer = try Tokenizer(json: bytes)
        let ids = tokenizer.encode("ab 12!! <s> the thing é\n\n's \u{1F600}")
        precondition(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize }, "an id outside the vocabulary")
        _ = tokenizer.decode(ids + [-1, 300, .max])
      },
      corpus("txt", seeds: ["Once upon a time\r\n\n there was\tcafé\n", "\u{FEFF}one line"]),
      corpus("json", seeds: [#"["Once upon a time", "", "caf\u00e9"]"#]),
      try trainingData(seeds: [lines.filter { !$0.isEmpty }.joined(separator: "\n"), lines.last! + "\n" + lines[1]]),
      corpus("jsonl", seeds: [lines.joined(separator: "\n"), lines.joined(separator: "\r\n") + "\r\n"]),
    ]
  }

  /// What is made of texts once they are read: in two formats, so short that some must be cut.
  private static func trainingData(seeds: [String]) throws -> FuzzTarget {
    var config = RandomModel.tiny
    config.eosTokens = [256]
    let tokenizer = try Tokenizer(json: Array(ByteTokenizer.json.text().utf8))
    // The begin token stands for the end too: the byte tokenizer has no other.
    let formats: [ChatFormat] = [.plain, .template(ChatTemplate(.zephyr, bos: "", eos: "<|begin_of_text|>"))]
    return FuzzTarget(name: "training-data", seeds: seeds.map { Array($0.utf8) }) { [config] bytes in
      let corpus = try bytes.withUnsafeBytes { try Corpus($0, path: "fuzz.jsonl") }
      for format in formats {
        let data = try TrainingData(corpus, tokenizer: tokenizer, config: config, format: format, options: .init(maxTokens: 40))
        for example in data.examples {
          precondition(example.ids.count <= 40 && example.scored > 0 && example.isScored.last == true, "an example that teaches nothing")
        }
      }
    }
  }

  private static func corpus(_ kind: String, seeds: [String]) -> FuzzTarget {
    FuzzTarget(name: "corpus-\(kind)", seeds: seeds.map { Array($0.utf8) }) { bytes in
      let corpus = try bytes.withUnsafeBytes { try Corpus($0, path: "fuzz.\(kind)") }
      precondition(corpus.texts.count == corpus.places.count, "a text without a place")
    }
  }

  static let sentencePiece = #"""
    {"version":"1.0","added_tokens":[{"id":20,"content":"<s>","lstrip":true,"special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
    "pre_tokenizer":null,
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
    "pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[20],"tokens":["<s>"]}}},
    "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
    "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"▁":1,"a":2,"b":3,"c":4,"1":5,"2":6,
    "!":7,"ab":8,"▁a":9,"▁ab":10,"12":11,"<0xC3>":12,"<0xA9>":13,"1!":14,"aa":15,"aaa":16,"t":17,"h":18,"th":19},
    "merges":[["a","b"],["▁","a"],["▁","ab"],["1","2"],["1","!"],["a","a"],["aa","a"],["t","h"]]}}
    """#

  private static let byteLevel = #"""
    {"version":"1.0","added_tokens":[{"id":12,"content":"<|begin|>","special":true}],"normalizer":null,
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[
    {"type":"Split","pattern":{"Regex":"(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},
    {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
    "post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
    "model":{"type":"BPE","unk_token":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":true,
    "vocab":{"t":0,"h":1,"e":2,"i":3,"n":4,"g":5,"Ġ":6,"th":7,"the":8,"Ġthe":9,"in":10,"ing":11},
    "merges":["t h","th e","Ġ the","i n","in g"]}}
    """#
}
