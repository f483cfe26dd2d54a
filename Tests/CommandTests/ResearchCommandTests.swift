import JSON
import TestSupport
import Testing

/// `hoof research skip` as a user runs it, on the example model.
struct ResearchCommandTests {
  let folder: TemporaryFolder
  let calibration: String
  let data: String
  /// Texts in each.
  private let count: Int

  /// The example prompts in turns: half of them to calibrate on, half held out.
  init() throws {
    folder = try TemporaryFolder()
    let lines = try TestFiles.text(Example.prompts).split(separator: "\n").filter { $0.count > 60 }
    let pairs = lines.count / 2
    func half(_ odd: Int) -> String { (0..<pairs).map { lines[2 * $0 + odd] + "\n" }.joined() }
    count = pairs
    calibration = try folder.write("calibration.txt", half(0))
    data = try folder.write("heldout.txt", half(1))
  }

  private func skip(_ words: [String]) -> Subprocess {
    Subprocess.hoof(["research", "skip", Example.model, "--memory", "64M", "--threads", "1"] + words)
  }

  private var usual: [String] { ["--calibration", calibration, "--data", data, "--clusters", "2", "--prompt-tokens", "8"] }

  @Test("the result has every key, says that it is research, and is the same on standard output and in the file")
  func complete() throws {
    let output = folder.file("skip.json")
    let run = skip(usual + ["--drop", "2", "--json", "-o", output, "-q"])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(try TestFiles.text(output) == run.output)
    let report = try JSON(parsing: run.output)
    #expect(report["format"] == "hoof-research-skip" && report["version"] == 1 && report["research"] == true)
    #expect(report["drop"] == 2 && report["depth"] == 0 && report["prompt_tokens"] == 8 && report["pool"] == "found")
    for key in ["calibration", "data"] {
      #expect(report[key]?["texts"]?.int == count && report[key]?["too_short"] == 0 && (report[key]?["tokens"]?.int ?? 0) > 100, "\(key)")
    }
    let sets = try #require(report["sets"]?.array)
    #expect(!sets.isEmpty && sets.allSatisfy { $0["layers"]?.array?.count == 2 && ($0["kl"]?.double ?? 0) > 0 })
    let routers = try #require(report["routers"]?.array)
    #expect(
      routers.map { $0["name"]?.string } == [
        "static", "static-greedy", "static-least-kl", "clusters", "regression", "random", "oracle",
      ])
    for router in routers {
      for key in ["kl", "kl_stderr", "perplexity", "top1_agreement", "layer_passes_per_token"] {
        #expect(router[key]?.double != nil, "\(key)")
      }
      #expect((router["layer_passes_per_token"]?.double ?? 0) >= 6 && (router["layer_passes_per_token"]?.double ?? 9) < 6.1)
      #expect(router["chosen"]?.array?.count == sets.count)
      #expect((router["choices"] == nil) == (router["name"] == "random" && sets.count > 1))
    }
    #expect(routers[0]["difference"] == nil && routers.dropFirst().allSatisfy { $0["difference"]?["verdict"]?.string != nil })
    // The greedy set is that of hoof prune.
    let suggestion = try self.report(["--suggest-drop", "2"])["suggested_drop"]?.array?.compactMap(\.int)
    let greedy = routers[1]["choices"]?.array?.first?.int
    #expect(sets[try #require(greedy)]["layers"]?.array?.compactMap(\.int) == suggestion?.sorted())
    // Nothing is replaced unasked.
    let again = skip(usual + ["--drop", "2", "-o", output, "-q"])
    #expect(again.status == 1 && again.errors.contains("--force") && again.output.isEmpty)
  }

  private func report(_ words: [String]) throws -> JSON {
    try JSON(
      parsing: Subprocess.hoof(["ablate", Example.model, "--calibration", calibration, "--memory", "64M", "-q", "--json"] + words).output)
  }

  @Test("the tables for people say what they are, what it was chosen from and what follows")
  func text() throws {
    let run = skip(usual + ["--drop", "1", "--depth", "2", "--sets", "all"])
    #expect(run.status == 0 && run.output.hasPrefix("Research: 1 of 8 layers left out"), "\(run.errors)")
    for part in [
      "mean residual behind the first 2 layers", "routed, clusters", "routed, regression", "oracle", "How often each set was chosen",
      "Routing by clusters ", "no way of choosing among them does better", "layer passes",
    ] { #expect(run.output.contains(part), "\(part) in \(run.output)") }
    let help = Subprocess.hoof(["research", "--help"]).output
    #expect(help.contains("(research)") && help.contains("hoof research skip base.hoof"))
    #expect(Subprocess.hoof([]).output.contains("(research)"))
  }

  @Test("texts that end too soon or were calibrated on are left out, and that is said")
  func leftOut() throws {
    let lines = try TestFiles.text(data)
    let more = try folder.write("more.txt", lines + "Once\n" + (try TestFiles.text(calibration)))
    let run = skip(["--calibration", calibration, "--data", more, "--clusters", "2", "--drop", "1", "--prompt-tokens", "8", "--json"])
    #expect(
      run.errors.contains("more.txt: 1 text left out") && run.errors.contains("more.txt: \(count) of its texts left out"), "\(run.errors)")
    let report = try JSON(parsing: run.output)
    #expect(
      report["data"]?["texts"]?.int == count && report["data"]?["too_short"] == 1 && report["data"]?["also_in_calibration"]?.int == count)
  }

  @Test(
    "what cannot be asked is a usage error with exit code 2",
    arguments: [
      (["research"], "STUDY is missing"), (["research", "skip"], "MODEL is missing"),
      (["research", "jump", "x"], "there is no study 'jump'; the one there is: skip"),
      (["research", "skip", Example.model], "--calibration FILE is missing"),
      (["research", "skip", Example.model, "--calibration", Example.prompts], "--data FILE is missing"),
      (["research", "skip", Example.model, "--calibration", Example.prompts, "--data", Example.prompts], "--drop K is missing"),
      (["research", "skip", Example.model, "--drop", "0"], "--drop: 0 is out of range"),
      (["research", "skip", Example.model, "--sets", "some"], "--sets: expected found, all, not 'some'"),
    ])
  func usage(words: [String], reason: String) {
    let run = Subprocess.hoof(words)
    #expect(run.status == 2 && run.output.isEmpty && run.errors.contains(reason), "\(run.errors)")
  }

  @Test("what model and texts do not allow ends with exit code 1, one line, and the file's name")
  func refusals() throws {
    func expectRefusal(_ words: [String], _ reasons: String...) {
      let run = skip(words + ["-q"])
      #expect(run.status == 1 && run.output.isEmpty && reasons.allSatisfy { run.errors.contains($0) }, "\(words): \(run.errors)")
      #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
    }
    expectRefusal(usual + ["--drop", "8"], "8 layers cannot be left out: the model has 8, and one has to stay", Example.model)
    expectRefusal(usual + ["--drop", "5", "--depth", "4"], "the first 4 run before the choice, and 4 are left")
    expectRefusal(
      usual + ["--drop", "1", "--prompt-tokens", "64"], "the calibration texts are too short", "calibration.txt")
    expectRefusal(
      usual + ["--drop", "1", "--clusters", "13"], "\(count) calibration texts long enough, and 13 clusters need 26", "calibration.txt")
    expectRefusal(
      ["--calibration", calibration, "--data", calibration, "--clusters", "2", "--drop", "1"],
      "all \(count) texts to measure on are calibration",
      "calibration.txt")
    let short = try folder.write("short.txt", "Once\nTwice\n")
    expectRefusal(["--calibration", calibration, "--data", short, "--drop", "1"], "the held-out texts are too short", "short.txt")
    expectRefusal(["--calibration", try folder.write("empty.txt", ""), "--data", data, "--drop", "1"], "empty.txt: is empty")
    expectRefusal(usual + ["--drop", "1", "--max-tokens", "100000"], "context of 512")
  }

  @Test("a signal ends the study with 130 and no file")
  func interrupt() throws {
    // Far more than two seconds of work.
    let line = try TestFiles.text(data).split(separator: "\n")[0]
    let many = try folder.write("many.txt", (0..<3000).map { "\($0) \(line)\n" }.joined())
    let command =
      "\"$HOOF\" research skip '\(Example.model)' --calibration '\(calibration)' --data '\(many)' --clusters 2 --drop 4 --sets all "
      + "--prompt-tokens 8 --threads 1 -q -o '\(folder.path)/a.json' & sleep 2; kill -TERM $!; wait $!; echo $?"
    let run = Subprocess.shell(command)
    #expect(run.output == "130\n" && run.errors.contains("interrupted; nothing was written"), "\(run)")
    #expect(!folder.names().contains("a.json"))
  }
}
