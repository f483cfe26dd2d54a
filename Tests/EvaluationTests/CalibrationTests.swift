import Evaluation
import Formats
import TestSupport
import Testing
import Tokenization

/// With the example model's tokenizer: its template puts one begin token in front.
struct CalibrationTests {
  let folder: TemporaryFolder
  let source: ModelSource
  let tokenizer: Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    source = try ModelSource.open(path: SharedData.packageRoot + "/examples/talespin-tiny")
    tokenizer = try Tokenizer(json: try #require(source.tokenizer))
  }

  private func calibration(_ name: String, _ text: String, maxTokens: Int = 64, bos: Bool = true) throws -> Calibration {
    try Calibration(path: try folder.write(name, text), tokenizer: tokenizer, config: source.config, maxTokens: maxTokens, bos: bos) {
      (messages) throws(FormatError) in messages.map { "<\($0.role)>\($0.content)" }.joined()
    }
  }

  private func refusal(_ name: String, _ text: String, maxTokens: Int = 64, bos: Bool = true) -> String {
    do {
      _ = try calibration(name, text, maxTokens: maxTokens, bos: bos)
      return "read without an error"
    } catch { return "\(error)" }
  }

  @Test("texts are cut at the limit, the begin token counted, and it can be left out")
  func cut() throws {
    let text = "Once upon a time there was a little boy named Ben."
    let whole = tokenizer.encode(text, template: false)
    let begin = Int32(try #require(source.config.bosToken))
    #expect(whole.count > 8)
    let cut = try calibration("a.txt", text + "\nHi\n", maxTokens: 5)
    #expect(cut.prompts[0] == [begin] + whole.prefix(4) && cut.prompts[1] == [begin] + tokenizer.encode("Hi", template: false))
    #expect(cut.tokens == 5 + cut.prompts[1].count && cut.maxTokens == 5)
    #expect(try calibration("a.txt", text, maxTokens: 5, bos: false).prompts == [Array(whole.prefix(5))])
    #expect(try calibration("a.txt", text).prompts == [[begin] + whole])
  }

  @Test("an empty text is its begin token alone, and refused by line where there is none")
  func empty() throws {
    let text = "{\"text\": \"Once upon a time\"}\n\n{\"text\": \"\"}"
    #expect(try calibration("a.jsonl", text).prompts[1] == [Int32(try #require(source.config.bosToken))])
    #expect(refusal("a.jsonl", text, bos: false).hasSuffix("/a.jsonl: line 3: has no tokens"))
    #expect(refusal("a.json", #"["a", ""]"#, bos: false).hasSuffix("/a.json: element 1: has no tokens"))
    #expect(refusal("a.json", #"["", ""]"#).contains("/a.json: no text has a second token"))
  }

  @Test("conversations are rendered, and what is rendered brings its own begin token")
  func messages() throws {
    let text = #"{"messages": [{"role": "user", "content": "Hello"}]}"#
    #expect(try calibration("a.jsonl", text).prompts == [tokenizer.encode("<user>Hello", template: false)])
  }

  @Test("a limit beyond the model's context is refused")
  func context() throws {
    #expect(source.config.contextLength == 512)
    #expect(try calibration("a.txt", "Once upon a time", maxTokens: 512).prompts.count == 1)
    #expect(refusal("a.txt", "Once upon a time", maxTokens: 513).contains("context of 512; lower --max-tokens"))
  }

  @Test("a token beyond the model's embeddings is refused by line")
  func vocabulary() throws {
    var config = source.config
    config.vocabularySize = 100
    let path = try folder.write("a.txt", "a\nOnce upon a time")
    #expect(throws: FormatError(path, "line 1", "token 1018 is outside the model's vocabulary of 100")) {
      try Calibration(path: path, tokenizer: tokenizer, config: config, maxTokens: 64) { (_) throws(FormatError) in "" }
    }
  }
}
