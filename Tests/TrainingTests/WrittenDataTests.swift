import BackendCPU
import Formats
import Generation
import TestSupport
import Testing
import Tokenization
import Training
import Transformer

/// Data whose answers the example model writes.
struct WrittenDataTests {
  let folder: TemporaryFolder
  let source: ModelSource
  let tokenizer: Tokenizer
  let model: Llama
  let end: Int32

  init() throws {
    folder = try TemporaryFolder()
    source = try ModelSource.open(path: SharedData.packageRoot + "/examples/talespin-tiny")
    tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    model = try Llama(source, on: CPUBackend(threads: 2))
    end = Int32(try #require(source.config.endToken))
  }

  private func write(
    _ text: String, format: ChatFormat.Name? = nil, maxTokens: Int = 256, maxNewTokens: Int = 200, lead: Int = 6, showsAnswers: Bool = false
  ) throws -> WrittenData {
    try WrittenData(
      path: folder.write("prompts.jsonl", text), writer: model, tokenizer: tokenizer,
      format: ChatFormat(source, tokenizer, named: format),
      options: .init(maxTokens: maxTokens, maxNewTokens: maxNewTokens, slots: 3, lead: lead, showsAnswers: showsAnswers))
  }

  private func read(_ text: String, format: ChatFormat.Name? = nil) throws -> [TrainingExample] {
    try TrainingData(
      path: folder.write("written.jsonl", text), tokenizer: tokenizer, config: source.config,
      format: ChatFormat(source, tokenizer, named: format), options: .init(maxTokens: 512)
    ).examples
  }

  private func text(_ ids: some Sequence<Int32>) -> String { String(decoding: ids.flatMap(tokenizer.decodeBytes), as: UTF8.self) }

  @Test("stories are continued behind their first ids, as the model alone would, and end scored")
  func stories() throws {
    let stories = ["Once upon a time there was a little cat.", "One day, Tom and Sue went out.", "The dog and the bird were glad."]
    let data = try write(stories.map { #"{"text": "\#($0)"}"# }.joined(separator: "\n"))
    #expect(data.examples.map(\.place) == ["line 1", "line 2", "line 3"] && data.droppedCount == 0 && data.emptyCount == 0)
    for (example, story) in zip(data.examples, stories) {
      let prompt = tokenizer.bosTokens + tokenizer.encode(story, template: false).prefix(6)
      #expect(example.ids.starts(with: prompt))
      #expect(example.isScored == example.ids.indices.map { $0 >= prompt.count })
      let answer = example.ids.dropFirst(prompt.count)
      #expect(answer.dropLast().allSatisfy { $0 != end } && (answer.count == 200 || answer.last == end))
      // Each next id is the likeliest of a whole pass.
      let logits = try model.logits([Array(example.ids.dropLast())])[0]
      let likeliest = try Sampler(.greedy).tokens(logits, at: example.ids.dropLast().map { _ in .init(stream: 0, index: 0) })
      #expect(Array(likeliest[(prompt.count - 1)...]) == Array(answer))
    }
    #expect(data.unfinishedCount == data.examples.count { $0.ids.last != end })
    // What is written down is read as the same texts.
    let finished = data.examples.filter { $0.ids.last == end }
    #expect(!finished.isEmpty)
    let again = try read(data.lines)
    #expect(again.map { text($0.ids) } == finished.map { text($0.ids) })
    #expect(
      again.map { example in text(zip(example.ids, example.isScored).lazy.filter(\.1).map(\.0)) }
        == finished.map { example in text(zip(example.ids, example.isScored).lazy.filter(\.1).map(\.0)) })
  }

  @Test("a conversation is asked for its first answer in its format; answers that are there are not looked at")
  func conversations() throws {
    let line = #"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}"#
    let answered = line + #", {"role": "assistant", "content": "Not this."}, {"role": "user", "content": "Bye"}]}"#
    for format in [ChatFormat.Name.llama3, .llama2, .zephyr, .plain] {
      let data = try write(line + "]}\n" + answered, format: format, maxNewTokens: 8)
      #expect(data.examples.count == 2 && data.examples[0].ids == data.examples[1].ids, "\(format)")
      // What stands in front is what stands in front of an answer in training.
      let trained = try #require(try read(answered, format: format).first)
      let prompt = trained.ids.prefix(trained.isScored.firstIndex(of: true)!)
      #expect(data.examples[0].ids.starts(with: prompt) && data.examples[0].isScored.firstIndex(of: true) == prompt.count, "\(format)")
    }
    let instruction = #"{"instruction": "Add.", "input": "2 2"}"#
    let alpaca = try #require(try write(instruction, maxNewTokens: 4).examples.first)
    #expect(text(alpaca.ids).contains("### Response:\n"))
    let chat = try #require(try write(instruction, format: .llama3, maxNewTokens: 4).examples.first)
    #expect(text(chat.ids).contains("Add.\n\n2 2<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"))
  }

  @Test("an answer that is there can be shown to the writer, and is in no example")
  func shownAnswers() throws {
    let lines = [
      #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello dear cat."}]}"#,
      #"{"instruction": "Hi", "output": "Hello dear cat."}"#, #"{"prompt": "Hi", "completion": " dear cat."}"#,
    ]
    for format in [ChatFormat.Name.llama3, nil] {
      let alone = try write(lines.joined(separator: "\n"), format: format, maxNewTokens: 12)
      let shown = try write(lines.joined(separator: "\n"), format: format, maxNewTokens: 12, showsAnswers: true)
      #expect(shown.examples.count == 3)
      for (shown, alone) in zip(shown.examples, alone.examples) {
        let count = shown.isScored.firstIndex(of: true)!
        #expect(alone.ids.starts(with: shown.ids.prefix(count)) && alone.isScored.firstIndex(of: true) == count)
        #expect(!text(shown.ids.prefix(count)).contains("cat"))
      }
      // What the model sees changes what it says; a prompt to be continued has no answer to show.
      #expect(shown.examples[0] != alone.examples[0] && shown.examples[1] != alone.examples[1] && shown.examples[2] == alone.examples[2])
    }
  }

  @Test("prompts that leave no room are counted; bad ones are refused by line")
  func refusals() throws {
    let data = try write(#"{"prompt": "\#(String(repeating: "a b ", count: 40))"}"# + "\n" + #"{"prompt": "Once"}"#, maxTokens: 40)
    #expect(data.droppedCount == 1 && data.examples.map(\.place) == ["line 2"] && data.examples[0].ids.count <= 40)
    for (text, reason) in [
      (#"{"messages": [{"role": "assistant", "content": "a"}]}"#, "line 1: no user's message stands before the answer"),
      (#"{"messages": [{"role": "gpt", "content": "a"}, {"role": "user", "content": "a"}]}"#, "line 1: message 0 is of 'gpt'"),
      (
        #"{"prompt": "\#(String(repeating: "a b ", count: 200))"}"#,
        "no prompt leaves room for an answer within 256 tokens; raise --max-tokens"
      ),
    ] {
      let error = #expect(throws: FormatError.self) { try write(text) }
      #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
  }
}
