import Evaluation
import JSON
import TestSupport
import Testing

/// `hoof eval --perplexity` as a user runs it, on the example model.
struct EvalCommandTests {
  let folder: TemporaryFolder
  let text: String

  init() throws {
    folder = try TemporaryFolder()
    // 24 prompts one after another: about 1,200 tokens of one text.
    text = try folder.write("text.txt", TestFiles.read(Example.prompts))
  }

  private func eval(_ words: [String], model: String = Example.model, text path: String? = nil) -> Subprocess {
    Subprocess.hoof(["eval", model, "--perplexity", path ?? text, "-q"] + words)
  }

  private func json(_ words: [String], text: String? = nil) throws -> JSON {
    let run = eval(words + ["--json"], text: text)
    try #require(run.status == 0, "\(run.errors)")
    return try #require(try JSON(parsing: run.output)["perplexity"])
  }

  @Test("every protocol prints its name, window, begin token and what was scored", arguments: PerplexityProtocol.allCases)
  func protocols(method: PerplexityProtocol) throws {
    let words = ["--protocol", method.rawValue, "--window", "100"]
    let run = eval(words)
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(run.output.contains("perplexity ") && run.output.contains("protocol \(method.rawValue), window 100, "))
    #expect(run.output.contains("BOS") && run.output.contains("tokens scored in "))
    #expect(run.output.contains("Final estimate: PPL = ") == (method == .llamaCpp))
    let result = try json(words)
    #expect(result["protocol"]?.string == method.rawValue && result["window"]?.int == 100 && result["bos"]?.bool == true)
    let scored = try #require(result["scored_tokens"]?.int)
    let tokens = try #require(try json(["--window", "100"])["text_tokens"]?.int)
    switch method {
    case .windows: #expect(scored == tokens)
    case .gptq: #expect(scored == (tokens + 1) / 100 * 99)
    case .llamaCpp: #expect(abs(scored - tokens / 100 * 49) <= 49)
    case .word: #expect(scored == tokens + 1 && result["words"]?.int != nil && result["bits_per_byte"]?.double != nil)
    }
    let value = try #require((result["perplexity"] ?? result["word_perplexity"])?.double)
    #expect(value > 1 && value.isFinite && run.output.contains(" \(Int(value))."))
    // One document has no spread.
    #expect((result["perplexity_stderr"] != nil) == (method != .word))
  }

  @Test("without BOS the windows' first tokens are not scored; --bos is what the tokenizer does anyway")
  func begin() throws {
    let without = try json(["--window", "100", "--no-bos"])
    let tokens = try #require(without["text_tokens"]?.int)
    #expect(without["bos"]?.bool == false && without["scored_tokens"]?.int == tokens - (tokens + 99) / 100)
    #expect(try json(["--window", "100", "--bos"]) == json(["--window", "100"]))
  }

  @Test("a file of several texts is one text for the windows and several documents per word")
  func files() throws {
    let lines = [#"{"text": "Once upon a time there was a dog."}"#, #"{"page": " It = = had @-@ a ball . \n"}"#]
    let several = try folder.write("two.jsonl", lines.joined(separator: "\n"))
    let one = try folder.write("one.txt", "Once upon a time there was a dog.\n\n It = = had @-@ a ball . \n")
    #expect(try json([], text: several)["nll_sum"] == json([], text: one)["nll_sum"])
    let documents = try json(["--protocol", "word"], text: several)
    // Python: len(re.split(r"\s+", page)) counts the empty words at both ends.
    #expect(documents["documents"]?.int == 2 && documents["words"]?.int == 8 + 10 && documents["bytes"]?.int == 33 + 26)
    #expect(documents["word_perplexity_stderr"]?.double != nil)
    let joined = try json(["--protocol", "word", "--detokenize", "wikitext"], text: several)
    #expect(joined["words"] == documents["words"] && joined["nll_sum"] != documents["nll_sum"])
    let first = try json(["--protocol", "word", "--limit", "1"], text: several)
    #expect(first["documents"]?.int == 1 && first["documents_of_text"]?.int == 2 && first["words"]?.int == 8)
  }

  @Test("--limit takes the first windows, and the result says so; a .hoof file gives the folder's numbers")
  func limit() throws {
    let words = ["--window", "64", "--limit", "2"]
    let result = try json(words)
    #expect(result["windows"]?.int == 2 && (result["windows_of_text"]?.int ?? 0) > 10 && result["scored_tokens"]?.int == 128)
    #expect(eval(words).output.contains("the first 2 of "))
    let file = folder.file("m.hoof")
    #expect(Subprocess.hoof(["create", Example.model, "-o", file, "--f32", "-q"]).status == 0)
    let other = Subprocess.hoof(["eval", file, "--perplexity", text, "-q", "--json"] + words)
    #expect(try JSON(parsing: other.output)["perplexity"] == result)
  }

  @Test("bad input is one line that says what is wrong")
  func refusals() throws {
    let short = try folder.write("short.txt", "Hello there")
    let empty = try folder.write("empty.txt", "")
    let broken = try folder.write("broken.txt", Array("fine\nnot ".utf8) + [0xff, 0xfe])
    let chat = try folder.write("chat.jsonl", #"{"messages": [{"role": "user", "content": "Hi"}]}"#)
    let bare = try Example.copy(without: ["tokenizer.json"])
    let cases: [(words: [String], text: String, model: String, status: Int32, says: String)] = [
      (["--protocol", "gptq", "--window", "100"], short, Example.model, 1, "short.txt: too short: "),
      (["--protocol", "llama.cpp", "--window", "100"], short, Example.model, 1, "needs 200"),
      (["--no-bos"], try folder.write("one.txt", "."), Example.model, 1, "too short: 1 token, and the protocol windows needs 2"),
      ([], empty, Example.model, 1, "is empty"), ([], folder.file("none.txt"), Example.model, 1, "none.txt: No such file"),
      ([], broken, Example.model, 1, "broken.txt: line 2: not valid UTF-8"), ([], chat, Example.model, 1, "line 1: is a conversation"),
      ([], text, bare.path, 1, "has no tokenizer"), (["--window", "100000"], text, Example.model, 2, "has a context of "),
      (["--protocol", "lama.cpp"], text, Example.model, 2, "did you mean 'llama.cpp'"),
      (["--bos", "--no-bos"], text, Example.model, 2, "--no-bos"),
      (["--detokenize", "wikitext"], text, Example.model, 2, "--protocol word"),
      (["--backend", "cpu", "--device", "0"], text, Example.model, 2, "--device"),
    ]
    for item in cases {
      let run = eval(item.words, model: item.model, text: item.text)
      #expect(run.status == item.status && run.output.isEmpty && run.errors.contains(item.says), "\(item.words): \(run.errors)")
      #expect(item.status == 2 || run.errors.split(separator: "\n").count == 1, "\(run.errors)")
    }
    let nothing = Subprocess.hoof(["eval", Example.model])
    #expect(nothing.status == 2 && nothing.errors.contains("what to measure is missing"))
  }

  @Test("Ctrl-C ends a measurement with 130")
  func interrupt() throws {
    // Enough text for minutes.
    let long = try folder.write("long.txt", String(repeating: try TestFiles.text(text), count: 400))
    let run = Subprocess.shell("timeout --preserve-status -s INT 3 \"$HOOF\" eval '\(Example.model)' --perplexity '\(long)' --threads 1")
    #expect(run.status == 130 && run.errors.contains("hoof: interrupted"), "\(run.status): \(run.errors)")
  }
}
