import JSON
import TestSupport
import Testing

/// `hoof eval --tasks` as a user runs it, on the example model and small files made here.
struct TaskCommandTests {
  let folder: TemporaryFolder
  let cache: String

  init() throws {
    folder = try TemporaryFolder()
    cache = folder.file("cache")
    func lines(_ count: Int, _ line: (Int) -> JSON) throws -> String { (0..<count).map { line($0).text() + "\n" }.joined() }
    let words = ["moon", "dragon", "garden", "ship"]
    try folder.write(
      "moral.jsonl",
      lines(24) { index in
        [
          "context": .string("Once upon a time there was a \(words[index % 4]) number \(index). One day it"),
          "choices": ["met a friend.", "saw the sea and was glad.", "the of and."], "label": .int(index % 3),
        ]
      })
    try folder.write(
      "hellaswag_validation.jsonl",
      lines(10) { index in
        [
          "activity_label": "Baking", "ctx_a": .string("She takes \(index) eggs [step] and flour."), "ctx_b": "then she",
          "endings": ["bakes a cake.", "flies away.", "sings.", "sleeps."], "label": .string("\(index % 4)"),
        ]
      })
    try folder.write(
      "mmlu.jsonl",
      lines(12) { index in
        [
          "question": .string("What is \(index) plus \(index)?"), "choices": ["1", "2", "3", "4"], "answer": .int(index % 4),
          "subject": .string(index < 8 ? "abstract_algebra" : "virology"),
        ]
      })
  }

  private func eval(_ words: [String], models: [String] = [Example.model]) -> Subprocess {
    Subprocess.hoof(["eval"] + models + ["--data", folder.path, "--cache", cache] + words)
  }

  @Test("the table is the harness's, its JSON has the harness's keys, and groups their subgroups")
  func report() throws {
    let run = eval(["--tasks", "hellaswag,mmlu,moral", "-q", "-o", folder.file("out.json"), "--html", folder.file("page.html")])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    for line in [" Tasks ", "|hellaswag", "|mmlu", "| - stem", "|  - abstract_algebra", " Groups |", "|moral", "|acc_norm|↑  |"] {
      #expect(run.output.contains(line), "\(line)")
    }
    let json = try JSON(parsing: folder.read("out.json"))
    let results = json["results"]
    let share = try #require(results?["moral"]?["acc,none"]?.double)
    #expect((0...1).contains(share) && results?["moral"]?["acc_stderr,none"]?.double != nil)
    #expect(results?["mmlu"]?["sample_len"]?.int == 12 && results?["mmlu_virology"]?["acc,none"]?.double != nil)
    #expect(json["group_subtasks"]?["mmlu_stem"]?.array == ["mmlu_abstract_algebra"])
    #expect(json["n-samples"]?["hellaswag"]?["effective"]?.int == 10 && json["n-shot"]?["hellaswag"]?.int == 0)
    #expect(String(decoding: try folder.read("page.html"), as: UTF8.self).contains("abstract_algebra"))
    // The same once more, from what was kept.
    let again = eval(["--tasks", "hellaswag,mmlu,moral", "-q", "--json"])
    #expect(try JSON(parsing: again.output)["results"] == results)
    let fewer = eval(["--tasks", "moral", "--limit", "6", "--num-fewshot", "2", "--json"])
    #expect(fewer.errors.contains("moral: ") && fewer.errors.contains("no train set"))
    #expect(try JSON(parsing: fewer.output)["n-shot"]?["moral"]?.int == 2)
  }

  @Test("kept answers: --resume goes on from them and from nothing else, and lines that answer other questions are asked again")
  func kept() throws {
    let words = ["--tasks", "moral", "--json"]
    let refused = eval(words + ["--resume"])
    #expect(refused.status == 1 && refused.errors.contains("no answers of these models") && refused.errors.contains("without --resume"))
    let some = eval(words + ["--limit", "7", "-q"])
    let whole = eval(words)
    #expect(some.status == 0 && whole.errors.contains("7 of 24 questions were answered before"))
    let results = try JSON(parsing: whole.output)["results"]
    let resumed = eval(words + ["--resume", "-q"])
    #expect(resumed.status == 0 && (try? JSON(parsing: resumed.output))?["results"] == results)
    let files = TestFiles.names(in: cache + "/eval")
    #expect(files.count == 1)
    // The fourth line says what no question with three choices was answered, and is right if believed.
    let path = "cache/eval/" + (files.first ?? "")
    var lines = String(decoding: try folder.read(path), as: UTF8.self).split(separator: "\n").map(String.init)
    for line in [#"{"ll":[-1],"greedy":[true]}"#, #"{"text":"x"}"#] {
      lines[4] = line
      try folder.write(path, lines.map { $0 + "\n" }.joined())
      let again = eval(words + ["-q"])
      #expect(again.status == 0 && (try? JSON(parsing: again.output))?["results"] == results, "\(line): \(again.errors)")
    }
    let unkept = Subprocess.hoof(
      ["eval", Example.model, "--data", folder.path, "--no-cache", "--limit", "2", "-q"] + words, environment: ["HOOF_CACHE": cache])
    #expect(unkept.status == 0, "\(unkept.errors)")
    #expect(eval(words + ["--resume", "--no-cache"]).errors.contains("exclude each other"))
  }

  @Test("against a base: flips, KL, and no evidence of harm from a model that is the base")
  func against() throws {
    let cut = folder.file("cut.hoof")
    try #require(Subprocess.hoof(["create", Example.model, "--drop-layers", "1", "-o", cut, "-q"]).status == 0)
    let words = ["--tasks", "moral", "--against", Example.model]
    let same = eval(words)
    #expect(same.status == 0 && same.output.contains("no evidence"), "\(same.errors)")
    let run = eval(words + ["--json", "--samples", folder.file("samples.jsonl")], models: [cut, Example.model])
    #expect(run.status == 0, "\(run.errors)")
    let json = try JSON(parsing: run.output)
    let comparison = try #require(json["hoof"]?["comparison"]?.array)
    #expect(comparison.count == 2 && json["models"]?.object?.count == 3)
    let text = json["hoof"]?.text() ?? ""
    #expect(text.contains("\"lost\"") && text.contains("\"p\"") && text.contains("\"verdict\""))
    let lines = String(decoding: try folder.read("samples.jsonl"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 3 * 24)
    let first = try JSON(parsing: String(lines[0]))
    #expect(first["doc_id"]?.int == 0 && first["resps"]?.array?.count == 3 && first["arguments"]?.array?.count == 3)
  }

  @Test("the arithmetic ladder needs no files, and says how deep a model gets")
  func ladder() throws {
    let run = Subprocess.hoof(
      ["eval", Example.model, "--tasks", "arithmetic_ladder,arithmetic_ladder_cot_2", "--limit", "3", "--no-cache", "--json", "-q"])
    #expect(run.status == 0, "\(run.errors)")
    let results = try JSON(parsing: run.output)["results"]
    #expect(results?["arithmetic_ladder"]?["exact_match,none"]?.double != nil && results?["arithmetic_ladder"]?["sample_len"]?.int == 18)
    #expect(results?["arithmetic_ladder_cot_2"]?["exact_match,none"]?.double != nil)
  }

  @Test("what is wrong is said in one line, with what, where and what to do")
  func refusals() throws {
    try folder.write(
      "broken.jsonl",
      #"{"context": "A", "choices": ["b", "c"], "label": 0}"# + "\n" + #"{"context": "A", "choices": ["b", "c"], "label": 2}"# + "\n")
    try folder.write("missing.jsonl", #"{"context": "A", "choices": ["b"], "label": 0}"# + "\n" + #"{"context": "A", "label": 0}"# + "\n")
    try folder.write("empty.jsonl", #"{"context": "A", "choices": [], "label": 0}"# + "\n")
    let long = (0..<3000).map { "word\($0)" }.joined(separator: " ")
    try folder.write("long.jsonl", JSON.object(["context": "A", "choices": ["b", .string(long)], "label": 0]).text() + "\n")
    let cases: [([String], Int32, [String])] = [
      (["--tasks", "helaswag"], 1, ["no task 'helaswag'", "did you mean 'hellaswag'"]),
      (["--tasks", "piqa"], 1, ["has no data for piqa", "piqa.jsonl"]),
      (["--tasks", "broken"], 1, ["broken.jsonl", "line 2", "label"]),
      (["--tasks", "missing"], 1, ["missing.jsonl", "line 2", "choices"]),
      (["--tasks", "empty"], 1, ["empty.jsonl", "line 1", "choices"]),
      (["--tasks", "long"], 1, ["long.jsonl: line 1", "tokens, and the model reads at most"]),
      (["--tasks", "moral", "--num-fewshot", "40"], 1, ["24 rows", "40"]),
      (["--tasks", "moral", "--max-length", "100000"], 2, ["--max-length 100000", "context of"]),
      (["--tasks", "moral", "--perplexity", "x"], 2, ["exclude each other"]),
      (["--tasks", "moral", "--window", "64"], 2, ["--window goes with --perplexity"]),
      (["--perplexity", "x", "--against", "y"], 2, ["--against goes with --tasks"]),
    ]
    for (words, status, parts) in cases {
      let run =
        words.contains("--perplexity") && !words.contains("--tasks")
        ? Subprocess.hoof(["eval", Example.model] + words) : eval(words + ["-q"])
      #expect(run.status == status, "\(words): \(run.errors)")
      #expect(run.errors.split(separator: "\n").count == 1 || status == 2, "\(run.errors)")
      for part in parts { #expect(run.errors.contains(part), "\(words): \(run.errors)") }
    }
    let nowhere = Subprocess.hoof(["eval", Example.model, "--tasks", "moral,hellaswag"])
    #expect(nowhere.status != 0 && nowhere.errors.contains("moral"))
    let folderless = Subprocess.hoof(["eval", Example.model, "--tasks", "hellaswag"])
    #expect(folderless.status == 2 && folderless.errors.contains("--data DIR is missing"))
    let missing = eval(["--tasks", "moral", "--data", "/nowhere"])
    #expect(missing.status != 0)
  }

  @Test("the list of tasks needs no model")
  func list() {
    let run = Subprocess.hoof(["eval", "--tasks", "list"])
    #expect(run.status == 0 && run.output.contains("hellaswag") && run.output.contains("arithmetic_ladder"))
  }
}
