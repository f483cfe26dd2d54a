import JSON
import TestSupport
import Testing

/// `hoof eval --prompts` as a user runs it, on the example model.
struct PromptCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func eval(_ lines: [String], _ words: [String] = []) throws -> Subprocess {
    let file = try folder.write("checks.jsonl", lines.joined(separator: "\n"))
    return Subprocess.hoof(["eval", Example.model, "--prompts", file, "-q"] + words)
  }

  private static let lines = [
    #"{"name": "fine", "prompt": "Once upon a time", "max_tokens": 30, "checks": {"min_words": 5, "max_words": 30, "regex": "[a-z]+"}}"#,
    #"{"name": "bad", "prompt": "Once upon a time", "max_tokens": 30, "checks": {"json": true, "contains": ["zebra crossing"], "stops": true}}"#,
    #"{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 10, "checks": {"not_contains": "zebra"}}"#,
  ]

  @Test("the table says what passes and why not; the status is 1 when something fails, and 0 when nothing does")
  func table() throws {
    let run = try eval(Self.lines)
    #expect(run.status == 1 && run.errors.contains("1 of 3 prompts failed"))
    let rows = run.output.split(separator: "\n")
    #expect(rows.count == 5 && rows[1].hasPrefix("fine") && rows[1].contains("pass") && rows[2].contains("FAIL"))
    #expect(
      rows[2].contains("json: ") && rows[2].contains("contains: no 'zebra crossing'") && rows[2].contains("stops: ran into the limit"))
    #expect(rows[3].hasPrefix("line 3") && rows[4].contains("2/3 prompts pass"))
    let good = try eval([Self.lines[0], Self.lines[2]])
    #expect(good.status == 0 && good.errors.isEmpty && good.output.contains("2/2 prompts pass"))
    #expect(try eval(Self.lines, ["--limit", "1"]).output.contains("1/1 prompts pass, the first 1 of 3"))
  }

  @Test("--json and -o keep the answers, which are those of hoof generate; how many are written side by side changes nothing")
  func outputs() throws {
    let output = folder.file("answers.jsonl")
    let run = try eval(Self.lines, ["--json", "-o", output])
    #expect(run.status == 1)
    let report = try #require(try JSON(parsing: run.output)["prompts"])
    let results = try #require(report["results"]?.array)
    #expect(report["passed"]?.int == 2 && report["prompts"]?.int == 3 && results.count == 3)
    #expect(results.map { $0["passed"]?.bool } == [true, false, true] && results[1]["finish_reason"]?.string == "length")
    #expect(results[1]["checks"]?.array?.map { $0["passed"]?.bool } == [false, false, false])
    let kept = try folder.read("answers.jsonl").split(separator: UInt8(ascii: "\n")).map { try JSON(parsing: Array($0)) }
    #expect(kept == results)
    let single = Subprocess.hoof(["generate", Example.model, "-p", "Once upon a time", "-n", "30", "-q"])
    #expect(results[0]["output"]?.string.map { $0 + "\n" } == single.output)
    let alone = try JSON(parsing: try eval(Self.lines, ["--json", "--slots", "1"]).output)
    #expect(alone["prompts"]?["results"] == report["results"])
    // An existing file stays.
    let again = try eval(Self.lines, ["-o", output])
    #expect(again.status == 1 && again.output.isEmpty && again.errors.contains("--force"))
  }

  @Test("a prompt that does not fit fails, and the others are answered")
  func overflow() throws {
    let long = #"{"name": "long", "prompt": "\#(String(repeating: "Once upon a time there was a dog. ", count: 200))"}"#
    let run = try eval([long, Self.lines[0]])
    #expect(run.status == 1 && run.output.contains("the context of 512 tokens") && run.output.contains("1/2 prompts pass"))
  }

  @Test("bad input is one line that says what is wrong")
  func refusals() throws {
    let cases: [(line: String, says: String)] = [
      ("", "there is no prompt"), ("{", "line 1"), ("[]", "expected an object"), (#"{"text": "a"}"#, "'text' is not known"),
      (#"{"prompt": 3}"#, "prompt is not a string"), (#"{"prompt": "a", "checks": {"contain": "b"}}"#, "there is no check 'contain'"),
      (#"{"prompt": "a", "checks": {"regex": "("}}"#, "not a regular expression"), (#"{"prompt": "a", "checks": {}}"#, "checks nothing"),
      (#"{"prompt": "a", "checks": {"min_words": -1}}"#, "min_words"), (#"{"prompt": "a", "messages": []}"#, "both"),
      (#"{"messages": [{"role": "robot", "content": "a"}]}"#, "line 1: message 0 is of 'robot'"),
      (#"{"prompt": "a", "max_tokens": 0}"#, "max_tokens"), (#"{"prompt": "a", "checks": {"json": "yes"}}"#, "neither true nor false"),
    ]
    for item in cases {
      let run = try eval([item.line])
      #expect(run.status == 1 && run.output.isEmpty && run.errors.contains(item.says), "\(item.line): \(run.errors)")
      #expect(run.errors.split(separator: "\n").count == 1)
    }
    for (words, says) in [(["--window", "64"], "--window goes with --perplexity"), (["--perplexity", "a.txt"], "exclude each other")] {
      let run = try eval(Self.lines, words)
      #expect(run.status == 2 && run.errors.contains(says), "\(run.errors)")
    }
    let other = Subprocess.hoof(["eval", Example.model, "--perplexity", Example.prompts, "--min-p", "0.1"])
    #expect(other.status == 2 && other.errors.contains("--min-p goes with --prompts"))
  }

  @Test("Ctrl-C ends the run with 130")
  func interrupt() throws {
    let line = #"{"prompt": "Once upon a time", "max_tokens": 400}"# + "\n"
    let file = try folder.write("many.jsonl", String(repeating: line, count: 3000))
    let run = Subprocess.shell(
      "timeout --preserve-status -s INT 2 \"$HOOF\" eval '\(Example.model)' --prompts '\(file)' --temperature 1 --threads 1")
    #expect(run.status == 130 && run.errors.contains("hoof: interrupted") && run.output.isEmpty, "\(run.status): \(run.errors)")
  }
}
