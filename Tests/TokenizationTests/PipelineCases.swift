/// Small tokenizers and what the tokenizers library (0.23.3) makes of a text with each.
struct PipelineCase: Sendable, CustomStringConvertible {
  let name: String
  /// What differs from `SmallTokenizer.base`.
  let settings: String
  let text: String
  let ids: [Int32]
  let decoded: String
  var description: String { name }

  static let all: [PipelineCase] = [
    PipelineCase(
      name: "plain merges",
      settings: #"{}"#,
      text: "a! ab12!! é aab", ids: [2, 7, 15, 8, 11, 7, 7, 15, 0, 18, 8],
      decoded: "a !   ab 12 ! !   <unk>  a ab"),
    PipelineCase(
      name: "a long word",
      settings: #"{}"#,
      text: "aabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaaaaaaa",
      ids: [
        2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8,
        2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 2, 8, 16, 16, 17,
      ],
      decoded:
        "a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab a ab aa aa aaa"
    ),
    PipelineCase(
      name: "unknown pieces are fused",
      settings: #"{"model":{"fuse_unk":true}}"#,
      text: "xyab zz", ids: [0, 8, 15, 0],
      decoded: "<unk> ab   <unk>"),
    PipelineCase(
      name: "unknown pieces stay apart",
      settings: #"{"model":{"fuse_unk":false}}"#,
      text: "xyab zz", ids: [0, 0, 8, 15, 0, 0],
      decoded: "<unk> <unk> ab   <unk> <unk>"),
    PipelineCase(
      name: "no unknown piece drops characters",
      settings: #"{"model":{"unk_token":null}}"#,
      text: "xyab zz", ids: [8, 15],
      decoded: "ab  "),
    PipelineCase(
      name: "byte fallback",
      settings: #"{"model":{"byte_fallback":true}}"#,
      text: "aéb", ids: [2, 12, 13, 3],
      decoded: "a <0xC3> <0xA9> b"),
    PipelineCase(
      name: "byte fallback between unknown pieces",
      settings: #"{"model":{"byte_fallback":true,"fuse_unk":true}}"#,
      text: "xéya é", ids: [12, 13, 0, 2, 15, 12, 13],
      decoded: "<0xC3> <0xA9> <unk> a   <0xC3> <0xA9>"),
    PipelineCase(
      name: "ignore_merges takes a whole word",
      settings: #"{"model":{"ignore_merges":true}}"#,
      text: "aaa", ids: [17],
      decoded: "aaa"),
    PipelineCase(
      name: "prepend and replace",
      settings:
        #"{"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}}"#,
      text: "ab ab  a", ids: [10, 10, 1, 9],
      decoded: "▁ab ▁ab ▁ ▁a"),
    PipelineCase(
      name: "prepend leaves empty text alone",
      settings:
        #"{"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}}"#,
      text: "", ids: [],
      decoded: ""),
    PipelineCase(
      name: "prepend behind an added token",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}}"#,
      text: "<s>ab<s> ab", ids: [20, 10, 20, 1, 10],
      decoded: "<s> ▁ab <s> ▁ ▁ab"),
    PipelineCase(
      name: "regex replace",
      settings: #"{"normalizer":{"type":"Replace","pattern":{"Regex":"[0-9]+"},"content":"!"}}"#,
      text: "a11b222c", ids: [2, 7, 3, 7, 4],
      decoded: "a ! b ! c"),
    PipelineCase(
      name: "split Removed",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"Removed","invert":false}}"#,
      text: "!!ab!a!!12!", ids: [8, 2, 11],
      decoded: "ab a 12"),
    PipelineCase(
      name: "split Removed inverted",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"Removed","invert":true}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 7, 7, 7, 7],
      decoded: "! ! ! ! ! !"),
    PipelineCase(
      name: "split Removed by a regex",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[0-9]|!"},"behavior":"Removed","invert":false}}"#,
      text: "a12ab!1!2a", ids: [2, 8, 2],
      decoded: "a ab a"),
    PipelineCase(
      name: "split Isolated",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"Isolated","invert":false}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split Isolated inverted",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"Isolated","invert":true}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split Isolated by a regex",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[0-9]|!"},"behavior":"Isolated","invert":false}}"#,
      text: "a12ab!1!2a", ids: [2, 5, 6, 8, 7, 5, 7, 6, 2],
      decoded: "a 1 2 ab ! 1 ! 2 a"),
    PipelineCase(
      name: "split MergedWithPrevious",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"MergedWithPrevious","invert":false}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split MergedWithPrevious inverted",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"MergedWithPrevious","invert":true}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split MergedWithPrevious by a regex",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[0-9]|!"},"behavior":"MergedWithPrevious","invert":false}}"#,
      text: "a12ab!1!2a", ids: [2, 5, 6, 8, 7, 5, 7, 6, 2],
      decoded: "a 1 2 ab ! 1 ! 2 a"),
    PipelineCase(
      name: "split MergedWithNext",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"MergedWithNext","invert":false}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split MergedWithNext inverted",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"MergedWithNext","invert":true}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split MergedWithNext by a regex",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[0-9]|!"},"behavior":"MergedWithNext","invert":false}}"#,
      text: "a12ab!1!2a", ids: [2, 5, 6, 8, 7, 5, 7, 6, 2],
      decoded: "a 1 2 ab ! 1 ! 2 a"),
    PipelineCase(
      name: "split Contiguous",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"Contiguous","invert":false}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split Contiguous inverted",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"String":"!"},"behavior":"Contiguous","invert":true}}"#,
      text: "!!ab!a!!12!", ids: [7, 7, 8, 7, 2, 7, 7, 11, 7],
      decoded: "! ! ab ! a ! ! 12 !"),
    PipelineCase(
      name: "split Contiguous by a regex",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[0-9]|!"},"behavior":"Contiguous","invert":false}}"#,
      text: "a12ab!1!2a", ids: [2, 11, 8, 7, 14, 6, 2],
      decoded: "a 12 ab ! 1! 2 a"),
    PipelineCase(
      name: "split by an expression that matches nothing between",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"b*"},"behavior":"Isolated","invert":false}}"#,
      text: "abab", ids: [2, 3, 2, 3],
      decoded: "a b a b"),
    PipelineCase(
      name: "digits apart",
      settings: #"{"pre_tokenizer":{"type":"Digits","individual_digits":true}}"#,
      text: "a12b12", ids: [2, 5, 6, 3, 5, 6],
      decoded: "a 1 2 b 1 2"),
    PipelineCase(
      name: "digits together",
      settings: #"{"pre_tokenizer":{"type":"Digits","individual_digits":false}}"#,
      text: "a12b12!", ids: [2, 11, 3, 11, 7],
      decoded: "a 12 b 12 !"),
    PipelineCase(
      name: "metaspace always",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}}"#,
      text: "ab ab<s>ab  a", ids: [10, 10, 20, 10, 1, 9],
      decoded: "ab ab<s> ab  a"),
    PipelineCase(
      name: "metaspace always without split",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false}}"#,
      text: "ab ab<s>ab  a", ids: [10, 10, 20, 10, 1, 9],
      decoded: "ab ab<s> ab  a"),
    PipelineCase(
      name: "metaspace first",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}}"#,
      text: "ab ab<s>ab  a", ids: [10, 10, 20, 8, 1, 9],
      decoded: "ab ab<s>ab  a"),
    PipelineCase(
      name: "metaspace first without split",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}}"#,
      text: "ab ab<s>ab  a", ids: [10, 10, 20, 8, 1, 9],
      decoded: "ab ab<s>ab  a"),
    PipelineCase(
      name: "metaspace never",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true}}"#,
      text: "ab ab<s>ab  a", ids: [8, 10, 20, 8, 1, 9],
      decoded: "ab ab<s>ab  a"),
    PipelineCase(
      name: "metaspace never without split",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false}}"#,
      text: "ab ab<s>ab  a", ids: [8, 10, 20, 8, 1, 9],
      decoded: "ab ab<s>ab  a"),
    PipelineCase(
      name: "metaspace of an older file",
      settings:
        #"{"pre_tokenizer":{"type":"Metaspace","replacement":"▁","add_prefix_space":true},"decoder":{"type":"Metaspace","replacement":"▁","add_prefix_space":true}}"#,
      text: "ab a", ids: [10, 9],
      decoded: "ab a"),
    PipelineCase(
      name: "lstrip",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true}]}"#,
      text: "a  <s>  b", ids: [2, 20, 15, 15, 3],
      decoded: "a <s>     b"),
    PipelineCase(
      name: "rstrip",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":true,"normalized":false,"special":true}]}"#,
      text: "a \n<s> \u{3000} b<s>", ids: [2, 15, 0, 20, 3, 20],
      decoded: "a   <unk> <s> b <s>"),
    PipelineCase(
      name: "both strips next to each other",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":true,"rstrip":true,"normalized":false,"special":true}]}"#,
      text: "a <s> <s> b", ids: [2, 20, 20, 3],
      decoded: "a <s> <s> b"),
    PipelineCase(
      name: "single word",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"cab","single_word":true,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]}"#,
      text: "ab cab ab1 ab. _ab éab ab", ids: [8, 15, 20, 15, 8, 5, 15, 8, 0, 15, 0, 8, 15, 0, 8, 15, 8],
      decoded: "ab   cab   ab 1   ab <unk>   <unk> ab   <unk> ab   ab"),
    PipelineCase(
      name: "single word at edges",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"cab","single_word":true,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]}"#,
      text: "cab acab cab_ cab! cab", ids: [20, 18, 4, 8, 15, 4, 8, 0, 15, 20, 7, 15, 20],
      decoded: "cab  a c ab   c ab <unk>   cab !   cab"),
    PipelineCase(
      name: "normalized token",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"bb","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false}],"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"}}"#,
      text: "a bb ab", ids: [2, 1, 20, 10],
      decoded: "a ▁ bb ▁ab"),
    PipelineCase(
      name: "normalized token seen only after normalization",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"b b","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":true}],"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"}}"#,
      text: "a b b", ids: [2, 1, 20],
      decoded: "a ▁ b▁b"),
    PipelineCase(
      name: "the longest of two added tokens",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":21,"content":"<s>>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]}"#,
      text: "<s><s>><s", ids: [20, 21, 0, 0],
      decoded: "<s> <s>> <unk> <unk>"),
    PipelineCase(
      name: "added token inside the vocabulary",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":11,"content":"12","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]}"#,
      text: "ab12", ids: [8, 11],
      decoded: "ab 12"),
    PipelineCase(
      name: "llama decoder",
      settings:
        #"{"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},"model":{"byte_fallback":true}}"#,
      text: "ab é é", ids: [10, 1, 12, 13, 1, 12, 13],
      decoded: "ab é é"),
    PipelineCase(
      name: "strip at the end",
      settings: #"{"decoder":{"type":"Strip","content":"b","start":0,"stop":1}}"#,
      text: "ab12 bab", ids: [8, 11, 15, 3, 8],
      decoded: "a12 a"),
    PipelineCase(
      name: "strip at the start",
      settings: #"{"decoder":{"type":"Strip","content":"a","start":2,"stop":0}}"#,
      text: "aaa 1aa", ids: [17, 15, 5, 16],
      decoded: "a 1"),
    PipelineCase(
      name: "template before and behind",
      settings:
        #"{"added_tokens":[{"id":19,"content":"<pad>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":20,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},{"id":21,"content":"</s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[20],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[21,20],"tokens":["</s>","<s>"]}}}}"#,
      text: "ab", ids: [20, 8, 21, 20],
      decoded: "<s> ab </s> <s>"),
    PipelineCase(
      name: "lookahead and case",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i:'s)|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false}}"#,
      text: "aB'S a  b", ids: [2, 0, 0, 0, 15, 2, 15, 15, 3],
      decoded: "a <unk> <unk> <unk>   a     b"),
    PipelineCase(
      name: "a word character outside a class",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated","invert":false}}"#,
      text: "ab³b!b1b", ids: [8, 0, 3, 7, 3, 5, 3],
      decoded: "ab <unk> b ! b 1 b"),
    PipelineCase(
      name: "a word character inside a class",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[\\w!]+"},"behavior":"Removed","invert":false}}"#,
      text: "a³b!b1b", ids: [0],
      decoded: "<unk>"),
    PipelineCase(
      name: "what is no word character",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\W"},"behavior":"Removed","invert":false}}"#,
      text: "a³b b!", ids: [2, 0, 3, 3],
      decoded: "a <unk> b b"),
    PipelineCase(
      name: "a letter of Unicode 16",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{L}+"},"behavior":"Removed","invert":false}}"#,
      text: "a\u{13460}b!a", ids: [7],
      decoded: "!"),
    PipelineCase(
      name: "no letter of Unicode 16",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\P{L}+"},"behavior":"Removed","invert":false}}"#,
      text: "a\u{13460}b!a", ids: [2, 0, 3, 2],
      decoded: "a <unk> b a"),
    PipelineCase(
      name: "U+180E is no white space",
      settings: #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\s"},"behavior":"Removed","invert":false}}"#,
      text: "a\u{180e}b a", ids: [2, 0, 3, 2],
      decoded: "a <unk> b a"),
  ]
}
