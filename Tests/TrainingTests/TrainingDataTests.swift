import Formats
import Generation
import TestSupport
import Testing
import Tokenization
import Training

/// Texts as examples, with published tokenizers and PyTorch's labels.
struct TrainingDataTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let model = SharedData.packageRoot + "/examples/talespin-tiny"

  private func read(
    _ text: String, name: String = "a.jsonl", model: String = model, format: ChatFormat.Name? = nil, maxTokens: Int = 128,
    long: TrainingData.Options.Long = .cut, scores: TrainingData.Options.Scores = .answers, bos: Bool = true
  ) throws -> TrainingData {
    let source = try ModelSource.open(path: model)
    let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    return try TrainingData(
      path: folder.write(name, text), tokenizer: tokenizer, config: source.config,
      format: ChatFormat(source, tokenizer, named: format), options: .init(maxTokens: maxTokens, long: long, scores: scores, bos: bos))
  }

  private func refusal(
    _ text: String, name: String = "a.jsonl", format: ChatFormat.Name? = nil, maxTokens: Int = 128,
    long: TrainingData.Options.Long = .cut, bos: Bool = true
  ) -> String {
    do {
      _ = try read(text, name: name, format: format, maxTokens: maxTokens, long: long, bos: bos)
      return "read without an error"
    } catch { return "\(error)" }
  }

  /// The stretches of an example that are scored, as text.
  private func scored(_ example: TrainingExample, _ tokenizer: Tokenizer) -> [String] {
    var texts: [String] = []
    var wasScored = false
    for (id, isScored) in zip(example.ids, example.isScored) {
      if isScored, !wasScored { texts.append("") }
      if isScored { texts[texts.count - 1] += String(decoding: tokenizer.decodeBytes(id), as: UTF8.self) }
      wasScored = isScored
    }
    return texts
  }

  private func tokenizer() throws -> Tokenizer { try Tokenizer(json: try TestFiles.read(Self.model + "/tokenizer.json")) }

  @Test(
    "the reference's batches are made of its conversations, id by id and label by label",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)), arguments: ReferenceRun.models,
    [TrainingData.Options.Scores.answers, .all])
  func reference(model: String, scores: TrainingData.Options.Scores) throws {
    let run = try ReferenceRun(model, scores == .all ? "all_tokens" : "answer_tokens_only")
    let chat = String(decoding: try SharedData.bytes("data/sft/chat.jsonl"), as: UTF8.self)
    let data = try read(chat, model: SharedData.path("models/\(model)"), maxTokens: 512, scores: scores)
    #expect(data.examples.count == 300 && data.cutCount == 0 && data.droppedCount == 0)
    let batch = TrainingBatch(Array(data.examples.prefix(8)))
    #expect(data.examples.prefix(8).map(\.ids) == run.batch.sequences)
    #expect(batch.targets.map { $0 + [-1] } == run.batch.targets)
    #expect(batch.scored == run.batch.scored)
    #expect(batch.tokens == run.batch.sequences.reduce(0) { $0 + $1.count - 1 })
  }

  static let talk = #"""
    {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello. "},
    {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}, {"role": "user", "content": "Bye"}]}
    """#.replacing("\n", with: "")

  @Test("of a conversation the assistant's turns are scored, each to its end token; what follows the last one is left out")
  func turns() throws {
    let tokenizer = try tokenizer()
    let eos = "<|end_of_text|>"
    // The tokenizer has Llama 3's turn tokens, and zephyr needs the end token only.
    for (format, expected, whole) in [
      (
        ChatFormat.Name.llama3, ["Hello.<|eot_id|>", "4<|eot_id|>"],
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi"
          + "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n2+2?"
          + "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n4<|eot_id|>"
      ),
      (
        .llama2, [" Hello. \(eos)", " 4 \(eos)"],
        "<|begin_of_text|>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello. \(eos)<|begin_of_text|>[INST] 2+2? [/INST] 4 \(eos)"
      ),
      (
        .zephyr, [" Hello. \(eos)", "4\(eos)"],
        "<|system|>\nBe kind.\(eos)\n<|user|>\nHi\(eos)\n<|assistant|>\n Hello. \(eos)\n<|user|>\n2+2?\(eos)\n<|assistant|>\n4\(eos)"
      ),
      (
        .plain, ["  Hello. \(eos)", " 4\(eos)"],
        "<|begin_of_text|>Be kind.\n\nQuestion: Hi\nAnswer:  Hello. \(eos)Question: 2+2?\nAnswer: 4\(eos)"
      ),
    ] {
      let example = try #require(try read(Self.talk, format: format).examples.first)
      #expect(scored(example, tokenizer) == expected, "\(format)")
      #expect(tokenizer.decode(example.ids) == whole, "\(format)")
      // All of it, begin token aside.
      let all = try #require(try read(Self.talk, format: format, scores: .all).examples.first)
      #expect(all.ids.starts(with: example.ids) && all.isScored == [false] + all.ids.dropFirst().map { _ in true }, "\(format)")
    }
  }

  @Test("no token reaches from a prompt into its answer, even where the whole text would be cut otherwise")
  func borders() throws {
    let tokenizer = try tokenizer()
    let (prompt, answer) = ("Once upon a ti", "me there was")
    let example = try #require(try read(#"{"prompt": "\#(prompt)", "completion": "\#(answer)"}"#).examples.first)
    let parts = [prompt, answer].map { tokenizer.encode($0, template: false) }
    let end = Int32(try ModelSource.open(path: Self.model).config.endToken!)
    #expect(example.ids == tokenizer.bosTokens + parts[0] + parts[1] + [end])
    #expect(example.isScored == (tokenizer.bosTokens + parts[0]).map { _ in false } + (parts[1] + [end]).map { _ in true })
    // The whole text has a token across the border.
    #expect(tokenizer.encode(prompt + answer, template: false) != parts[0] + parts[1])
  }

  @Test("a text that brings its begin and end tokens gets no second ones, and blanks behind the last answer make no example too long")
  func ownTokens() throws {
    for (own, plain) in [
      (#"{"text": "<|begin_of_text|>Once upon<|end_of_text|>"}"#, #"{"text": "Once upon"}"#),
      (#"{"prompt": "<|begin_of_text|>Once", "completion": " upon<|end_of_text|>"}"#, #"{"prompt": "Once", "completion": " upon"}"#),
    ] {
      for scores in TrainingData.Options.Scores.allCases {
        #expect(try read(own, scores: scores).examples == read(plain, scores: scores).examples)
      }
    }
    let length = try read(Self.talk, format: .zephyr).tokens
    #expect(try read(Self.talk, format: .zephyr, maxTokens: length).cutCount == 0)
    #expect(try read(Self.talk, format: .zephyr, maxTokens: length - 1).cutCount == 1)
  }

  @Test("instructions stand in the prompt of Alpaca, or in the chat template where there is one")
  func instructions() throws {
    let tokenizer = try tokenizer()
    let line = #"{"instruction": "Add.", "input": "2 2", "output": "4"}"#
    let alpaca = try #require(try read(line).examples.first)
    #expect(scored(alpaca, tokenizer) == ["4<|end_of_text|>"])
    #expect(tokenizer.decode(alpaca.ids).hasSuffix("### Instruction:\nAdd.\n\n### Input:\n2 2\n\n### Response:\n4<|end_of_text|>"))
    let chat = try #require(try read(line, format: .llama3).examples.first)
    #expect(scored(chat, tokenizer) == ["4<|eot_id|>"])
    let expected = #"{"messages": [{"role": "user", "content": "Add.\n\n2 2"}, {"role": "assistant", "content": "4"}]}"#
    #expect(chat == (try read(expected, format: .llama3).examples.first))
  }

  @Test("plain texts are scored whole, and long ones cut so that every token is scored once", arguments: [true, false])
  func texts(bos: Bool) throws {
    let tokenizer = try tokenizer()
    let text = "Once upon a time there was a little boy named Ben. He had a red ball."
    let end = Int32(try ModelSource.open(path: Self.model).config.endToken!)
    let ids = tokenizer.encode(text, template: false) + [end]
    let data = try read(text + "\nHi\n", name: "a.txt", maxTokens: 7, bos: bos)
    let pieces = data.examples.filter { $0.place == "line 1" }
    #expect(pieces.count == (bos ? ids.count + 5 : ids.count + 4) / 6 && data.examples.count == pieces.count + 1)
    #expect(data.cutCount == 1 && data.droppedCount == 0)
    #expect(pieces.allSatisfy { $0.ids.count <= 7 && $0.isScored == [false] + $0.ids.dropFirst().map { _ in true } })
    #expect(pieces.flatMap { $0.ids.dropFirst() } == (bos ? ids : Array(ids.dropFirst())))
    #expect(data.scoredTokens == pieces.reduce(0) { $0 + $1.scored } + data.examples.last!.scored)
    if bos { #expect(pieces.allSatisfy { [$0.ids[0]] == tokenizer.bosTokens }) }
    // Dropped instead, if that is asked for.
    let dropped = try read(text + "\nHi\n", name: "a.txt", maxTokens: 7, long: .drop, bos: bos)
    #expect(dropped.examples.map(\.place) == ["line 2"] && dropped.cutCount == 0 && dropped.droppedCount == 1)
  }

  @Test("long answers are cut, dropped when nothing of them is left, and both are counted")
  func long() throws {
    let lines = [
      #"{"prompt": "a", "completion": " b c d e f g h i j"}"#, #"{"prompt": "a", "completion": " b"}"#,
      #"{"prompt": "a b c d e f g h i j", "completion": " k"}"#,
    ].joined(separator: "\n")
    let whole = try read(lines)
    #expect(whole.examples.count == 3 && whole.cutCount == 0 && whole.droppedCount == 0)
    let cut = try read(lines, maxTokens: 5)
    #expect(cut.examples.map(\.place) == ["line 1", "line 2"] && cut.cutCount == 1 && cut.droppedCount == 1)
    #expect(cut.examples[0].ids == Array(whole.examples[0].ids.prefix(5)) && cut.examples[1] == whole.examples[1])
    #expect(cut.tokens == 5 + whole.examples[1].ids.count)
    let dropped = try read(lines, maxTokens: 5, long: .drop)
    #expect(dropped.examples == [whole.examples[1]] && dropped.cutCount == 0 && dropped.droppedCount == 2)
    #expect(
      refusal(lines, maxTokens: 3, long: .drop).hasSuffix(
        "/a.jsonl: no example is left: all 3 are longer than 3 tokens; raise --max-tokens"))
  }

  @Test(
    "what cannot be learned from is refused by line and reason",
    arguments: [
      (#"{"text": "a"}"# + "\n{", "a.jsonl: line 2: "),
      (#"{"messages": [{"role": "user", "content": "a"}]}"#, "a.jsonl: line 1: no message is the assistant's"),
      (
        #"{"messages": [{"role": "user", "content": "a"}, {"role": "gpt", "content": "b"}]}"#,
        "a.jsonl: line 1: message 1 is of 'gpt'; roles are system, user and assistant"
      ),
      (
        #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " \n"}]}"#,
        "a.jsonl: line 1: message 1: the answer is empty"
      ),
      (
        #"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]}"#,
        "a.jsonl: line 1: message 1 is of 'user'; the plain format"
      ),
      (#"{"messages": [{"role": "assistant", "content": "c"}]}"#, "a.jsonl: line 1: message 0 is of 'assistant'; the plain format"),
      (#"{"prompt": "a"}"#, "a.jsonl: line 1: the answer is empty"),
      (#"{"prompt": "a", "completion": ""}"#, "a.jsonl: line 1: the answer is empty"),
      (#"{"instruction": "a", "output": " "}"#, "a.jsonl: line 1: the answer is empty"),
      (#"{"text": "a"}"# + "\n\n" + #"{"text": " "}"#, "a.jsonl: line 3: the text is empty"),
      (#"{"page": 5}"#, "a.jsonl: line 1: page is not a string"),
    ])
  func refusals(text: String, reason: String) {
    let message = refusal(text)
    #expect(message.contains("/" + reason), "\(message)")
  }

  @Test("a format that the model's tokenizer or the conversation does not fit is refused by line")
  func formats() throws {
    #expect(
      refusal(Self.talk, format: .chatml).contains(
        "line 1: the tokenizer has no token '<|im_start|>', which the chat template ChatML needs"))
    let twice =
      #"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]}"#
    #expect(refusal(twice, format: .llama2).contains("line 1: tokenizer: chat: message 1 is of 'user'; Llama 2 takes"))
    #expect(try read(twice, format: .llama3).examples.count == 1)
    let source = try ModelSource.open(path: Self.model)
    let tokenizer = try tokenizer()
    let path = try folder.write("a.jsonl", Self.talk)
    #expect(throws: FormatError(path, "line 1", "other; name one with --chat-template")) {
      try TrainingData(
        path: path, tokenizer: tokenizer, config: source.config, format: .unknown(reason: "other"), options: .init(maxTokens: 64))
    }
  }

  @Test("limits that cannot be kept are refused")
  func limits() throws {
    #expect(refusal("a", name: "a.txt", maxTokens: 513).contains("context of 512; lower --max-tokens"))
    #expect(refusal("a", name: "a.txt", maxTokens: 1).contains("hold nothing; raise --max-tokens to 2 or more"))
    var config = try ModelSource.open(path: Self.model).config
    config.vocabularySize = 1000
    let path = try folder.write("a.txt", "a\nOnce upon a time")
    #expect(throws: FormatError(path, "line 1", "token 1019 is outside the model's vocabulary of 1000")) {
      try TrainingData(path: path, tokenizer: tokenizer(), config: config, format: .plain, options: .init(maxTokens: 64))
    }
  }

  @Test("held-out texts are drawn by seed, whole, and nothing is on both sides")
  func split() throws {
    let text = (0..<40).map { "text \($0) " + String(repeating: "and more ", count: $0 % 4) }.joined(separator: "\n")
    let data = try read(text, name: "a.txt", maxTokens: 8)
    let (training, held) = try data.split(.share(0.25), seed: 3)
    let places = Set(held.map(\.place))
    #expect(places.count == 10 && places.isDisjoint(with: training.map(\.place)))
    #expect(training.count + held.count == data.examples.count && data.examples.filter { places.contains($0.place) } == held)
    #expect(try data.split(.share(0.25), seed: 3).heldOut == held && data.split(.share(0.25), seed: 4).heldOut != held)
    #expect(Set(try data.split(.count(39), seed: 1).training.map(\.place)).count == 1)
    for bad in [TrainingData.HeldOut.share(0), .share(1), .share(.nan), .count(40), .count(0), .count(-1)] {
      #expect(throws: FormatError.self) { try data.split(bad, seed: 1) }
    }
  }

  @Test("an example is shown with its scored pieces marked")
  func listing() throws {
    let tokenizer = try tokenizer()
    let data = try read(#"{"messages": [{"role": "user", "content": "Say\n\u00e9\u0007"}, {"role": "assistant", "content": "A b"}]}"#)
    let listing = data.examples[0].listing(tokenizer, width: 30)
    let lines = listing.split(separator: "\n").map(String.init)
    #expect(lines[0] == "line 1: \(data.examples[0].ids.count) tokens, \(data.scoredTokens) of them scored (>)")
    #expect(lines.allSatisfy { $0.count <= 30 || $0 == lines[0] })
    let marked = lines.dropFirst().filter { $0.hasPrefix("> ") }.map { $0.dropFirst(2) }.joined().replacing("│", with: "")
    #expect(marked == " A b<|end_of_text|>")
    let rest = lines.dropFirst().filter { $0.hasPrefix("  ") }.map { $0.dropFirst(2) }.joined().replacing("│", with: "")
    #expect(rest.hasPrefix("<|begin_of_text|>Question: Say\\n") && rest.hasSuffix("\\u{7}\\nAnswer:"), "\(rest)")
  }
}
