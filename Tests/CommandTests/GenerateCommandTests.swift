import JSON
import TestSupport
import Testing

/// `hoof generate` as a user runs it, on the example model.
struct GenerateCommandTests {
  private let prompt = "Once upon a time"

  private func generate(_ words: [String], model: String = Example.model, input: String = "") -> Subprocess {
    Subprocess.hoof(["generate", model] + words, input: input)
  }

  private func json(_ words: [String]) throws -> JSON {
    let run = generate(["--json", "-q"] + words)
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  @Test("the answer is on standard output, how fast it came on standard error; -q leaves that out")
  func streams() throws {
    let run = generate(["-p", prompt, "-n", "20"])
    #expect(run.status == 0 && run.errors.contains("20 tokens, as many as were allowed") && run.errors.contains("tokens/s"))
    let quiet = generate(["-p", prompt, "-n", "20", "-q"])
    #expect(quiet.status == 0 && quiet.errors.isEmpty && quiet.output == run.output && quiet.output.hasSuffix("\n"))
    let report = try json(["-p", prompt, "-n", "20"])
    #expect(report["text"]?.string.map { $0 + "\n" } == run.output)
    #expect(report["ids"]?.array?.count == 20 && report["finish_reason"]?.string == "length" && report["answer_tokens"]?.int == 20)
    #expect(report["prompt"]?.string == prompt && report["sampling"]?["temperature"]?.double == 0)
  }

  @Test("the prompt comes from -p, from a file or from standard input, whose last line end is not meant")
  func prompts() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("prompt.txt", prompt + "\n")
    let expected = generate(["-p", prompt, "-n", "12", "-q"]).output
    #expect(generate(["-f", file, "-n", "12", "-q"]).output == expected)
    #expect(generate(["-n", "12", "-q"], input: prompt + "\n").output == expected)
    #expect(generate(["-n", "12", "-q"], input: prompt + "\n\n").output != expected)
  }

  @Test("sampling options change what is drawn, and the same seed draws the same")
  func sampling() throws {
    func text(_ words: [String]) -> String { generate(["-p", prompt, "-n", "24", "-q"] + words).output }
    let greedy = text([])
    let drawn = text(["--temperature", "1", "--seed", "3"])
    #expect(drawn == text(["--temperature", "1", "--seed", "3"]) && drawn != text(["--temperature", "1", "--seed", "4"]))
    for words in [["--top-k", "1"], ["--top-p", "0.0001"], ["--min-p", "1"]] { #expect(text(["--temperature", "1"] + words) == greedy) }
    #expect(text(["--repetition-penalty", "2"]) != greedy)
  }

  @Test("a stop string ends the answer before it; of several the first one met")
  func stop() throws {
    let whole = try #require(try json(["-p", prompt, "-n", "60"])["text"]?.string)
    let words = whole.split(separator: " ")
    try #require(words.count > 8)
    let report = try json(["-p", prompt, "-n", "60", "--stop", "nowhere at all", "--stop", " " + words[6]])
    let text = try #require(report["text"]?.string)
    #expect(whole.hasPrefix(text) && text.count < whole.count && report["finish_reason"]?.string == "stop")
  }

  @Test("--logprobs has every token's ln p and the likeliest beside it")
  func logprobs() throws {
    let tokens = try #require(try json(["-p", prompt, "-n", "5", "--logprobs", "3"])["logprobs"]?.array)
    #expect(tokens.count == 5)
    for token in tokens {
      let top = try #require(token["top"]?.array)
      // Greedy: the token itself is the likeliest.
      #expect(top.count == 3 && top[0]["id"] == token["id"] && top[0]["logprob"] == token["logprob"])
      #expect((token["logprob"]?.double ?? 1) <= 0 && top.numbersDescend)
    }
  }

  @Test("--chat asks in the chat format, --system and a template's name too; a prompt that does not fit is refused with both numbers")
  func chat() throws {
    let raw = try json(["-p", "Tell me a story.", "-n", "8"])
    let chat = try json(["-p", "Tell me a story.", "-n", "8", "--chat"])
    let system = try json(["-p", "Tell me a story.", "-n", "8", "--system", "Be kind."])
    let tokens = [raw, chat, system].map { $0["prompt_tokens"]?.int ?? 0 }
    #expect(tokens[0] < tokens[1] && tokens[1] < tokens[2])
    let long = generate(["-q", "-p", String(repeating: "Once upon a time there was a dog. ", count: 200)])
    #expect(long.status == 1 && long.output.isEmpty && long.errors.contains("the prompt has 1") && long.errors.contains("context of 512"))
  }

  @Test("a context that fills up ends the answer and says so")
  func context() {
    let run = generate(["-p", prompt, "-c", "20"])
    #expect(run.status == 0 && run.errors.contains("as many as the context of 20 tokens holds"), "\(run.errors)")
  }

  @Test("bad input is one line that says what is wrong")
  func refusals() throws {
    let bare = try Example.copy(without: ["tokenizer.json"])
    let cases: [(words: [String], status: Int32, says: String)] = [
      (["-f", "/nowhere.txt"], 1, "/nowhere.txt"),
      (["-p", "a", "--top-p", "0"], 2, "--top-p"), (["-p", "a", "--temperature", "-1"], 2, "out of range"),
      (["-p", "a", "--stop", ""], 2, "the text is empty"), (["-p", "a", "-n", "0"], 2, "out of range"),
      (["-p", "a", "--logprobs", "2"], 2, "--json"), (["-p", "a", "-f", "b"], 2, "exclude each other"),
      (["-p", "a", "--raw", "--chat"], 2, "exclude each other"), (["-p", "a", "-c", "100000"], 2, "has a context of 512 tokens"),
      (["-p", "a", "--chat", "--chat-template", "llama4"], 2, "did you mean 'llama3'"), (["-p", "a", "--seed", "x"], 2, "--seed"),
    ]
    for item in cases {
      let run = generate(["-q"] + item.words)
      #expect(run.status == item.status && run.output.isEmpty && run.errors.contains(item.says), "\(item.words): \(run.errors)")
      #expect(item.status == 2 || run.errors.split(separator: "\n").count == 1, "\(run.errors)")
    }
    let folder = try TemporaryFolder()
    let invalid = generate(["-q", "-f", try folder.write("broken.txt", [0x61, 0xff])])
    #expect(invalid.status == 1 && invalid.errors.contains("not valid UTF-8"))
    let none = generate(["-q", "-p", "a"], model: bare.path)
    #expect(none.status == 1 && none.errors.contains("has no tokenizer"))
    // An empty prompt is the begin token alone: a text from nothing.
    #expect(generate(["-q", "-p", "", "-n", "3"]).status == 0)
  }
}

extension [JSON] {
  fileprivate var numbersDescend: Bool {
    let values = compactMap { $0["logprob"]?.double }
    return values.count == count && zip(values, values.dropFirst()).allSatisfy { $0 >= $1 }
  }
}
