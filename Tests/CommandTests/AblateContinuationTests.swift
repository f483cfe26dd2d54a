import Glibc
import JSON
import TestSupport
import Testing

/// Studies that end early or run in parts, as processes: killed, interrupted, spread and joined.
struct AblateContinuationTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// 72 pieces of work: 9 groups of prompts, 8 layers each.
  static let words = ["--sublayers", "--heads", "--proxies", "--suggest-drop", "2", "--memory", "4M"]

  /// Runs the program until its journal has some lines, then sends it a signal; its exit code as text.
  private func stop(with signal: String) -> Subprocess {
    let words = (["ablate", Example.model, "--calibration", Example.prompts, "-o", "r.json", "--threads", "1", "-q"] + Self.words)
      .map { "'\($0)'" }.joined(separator: " ")
    // A shell's background jobs ignore Ctrl-C otherwise.
    return Subprocess.shell(
      """
      cd '\(folder.path)'; env --default-signal=INT "$HOOF" \(words) > out & process=$!
      while [ "$(cat r.json.journal 2>/dev/null | wc -l)" -lt 5 ] && kill -0 $process; do sleep 0.01; done
      kill -\(signal) $process; wait $process; echo $?
      """)
  }

  private func whole() throws -> JSON {
    let run = Subprocess.hoof(
      ["ablate", Example.model, "--calibration", Example.prompts, "--json", "--threads", "1", "-q"] + Self.words)
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  private func resume(_ words: [String] = Self.words, _ more: [String] = ["--resume"], prompts: String = Example.prompts) -> Subprocess {
    Subprocess.hoof(
      ["ablate", Example.model, "--calibration", prompts, "-o", folder.file("r.json"), "--threads", "1"] + words + more)
  }

  @Test("a killed study leaves its journal, is not started over by accident, and continues to the same report")
  func kill() throws {
    #expect(stop(with: "KILL").output == "137\n")
    #expect(folder.names() == ["out", "r.json.journal"])
    let journal = try folder.read("r.json.journal")

    let stale = resume(Self.words, [])
    #expect(stale.status == 1 && stale.errors.split(separator: "\n").count == 1, "\(stale.errors)")
    #expect(stale.errors.contains("r.json.journal") && stale.errors.contains("--resume") && stale.errors.contains("remove"))
    let other = resume(Self.words + ["--ablation", "mean"])
    #expect(other.status == 1 && other.errors.contains("r.json.journal: this journal is of another study"), "\(other.errors)")
    let prompts = try folder.write("other.txt", "Once upon a time\n")
    #expect(resume(prompts: prompts).errors.contains("another study"))
    #expect(try folder.read("r.json.journal") == journal)

    let finished = resume()
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(finished.errors.contains("finished pieces found in"))
    let pieces = finished.errors.split(separator: "\n").compactMap { $0.contains("pieces") ? Int($0.split(separator: " ")[1]) : nil }
    #expect((4...71).contains(pieces.first ?? 0), "\(finished.errors)")
    #expect(folder.names() == ["other.txt", "out", "r.json"])
    #expect(try comparable(JSON(parsing: folder.read("r.json"))) == comparable(whole()))
  }

  @Test("Ctrl-C ends with 130, says how to go on, and the study continues to the same report")
  func interrupt() throws {
    let stopped = stop(with: "INT")
    #expect(stopped.output == "130\n")
    #expect(stopped.errors.contains("hoof: interrupted; ") && stopped.errors.contains("--resume"), "\(stopped.errors)")
    #expect(folder.names() == ["out", "r.json.journal"])
    #expect(resume().status == 0)
    #expect(try comparable(JSON(parsing: folder.read("r.json"))) == comparable(whole()))
  }

  /// A set prints in another order in every process.
  @Test("a study of chosen head layers knows its own journal in another process")
  func headLayers() throws {
    let words = ["--head-layers", "0-2,4,6,7", "--memory", "4M"]
    for _ in 0..<4 {
      // Each process works for a moment on what the one before it left.
      let line = (["ablate", Example.model, "--calibration", Example.prompts, "-o", "r.json", "--threads", "1", "-q"] + words)
        .map { "'\($0)'" }.joined(separator: " ")
      _ = Subprocess.shell(
        """
        cd '\(folder.path)'; "$HOOF" \(line) --resume > out & process=$!
        while [ ! -s r.json.journal ] && kill -0 $process; do sleep 0.01; done
        sleep 0.1; kill -KILL $process; wait $process
        """)
    }
    let finished = resume(words, ["--resume", "-q"])
    #expect(finished.status == 0, "\(finished.errors)")
  }

  @Test("two processes do not work on one study")
  func together() throws {
    let journal = open(folder.file("r.json.journal"), O_RDWR | O_CREAT, 0o600)
    defer { close(journal) }
    #expect(flock(journal, LOCK_EX) == 0)
    let run = resume(Self.words, ["--resume", "-q"])
    #expect(run.status == 1 && run.errors.contains("r.json.journal: another process"), "\(run.errors)")
  }

  @Test("a file that is no journal is refused and left alone", arguments: ["precious", "precious\n", "{\"format\":\"x\"}\n"])
  func noJournal(text: String) throws {
    try folder.write("r.json.journal", text)
    let run = resume(Self.words, ["--resume", "-q"])
    #expect(run.status == 1 && run.errors.contains("r.json.journal: "), "\(run.errors)")
    #expect(try folder.read("r.json.journal") == Array(text.utf8) && folder.names() == ["r.json.journal"])
  }

  // MARK: Parts

  private func merge(_ parts: [String], _ words: [String] = []) -> Subprocess {
    Subprocess.hoof(["ablate", "--merge"] + parts.map { folder.file($0) } + words)
  }

  @Test("parts joined in any order equal the single run, with page and output file")
  func merging() throws {
    for part in ["1", "2"] {
      #expect(
        ablate(Example.model, Example.prompts, AblateTests.everything + ["--shard", "\(part)/2", "-o", folder.file("p\(part).json")]).status
          == 0)
    }
    let run = merge(["p2.json", "p1.json"], ["-o", folder.file("r.json"), "--html", folder.file("r.html"), "--json"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(try run.output == TestFiles.text(folder.file("r.json")))
    #expect(try TestFiles.text(folder.file("r.html")).hasPrefix("<!doctype html>"))
    let whole = try report(Example.model, Example.prompts, AblateTests.everything)
    // Which layers can go together takes the model, which a merge has not.
    #expect(whole["safe"] != nil)
    #expect(try comparable(JSON(parsing: run.output)) == comparable(whole, without: ["seconds", "safe"]))
  }

  static let mpirun = Subprocess.shell("command -v mpirun").status == 0

  @Test("mpirun spreads a study over its ranks", .enabled(if: mpirun, "mpirun is not installed (apt install openmpi-bin)"))
  func launch() throws {
    let words = ["--sublayers", "--suggest-drop", "1", "--memory", "32M"]
    let run = Subprocess.shell(
      "cd '\(folder.path)' && HOME='\(folder.path)' mpirun -n 2 --allow-run-as-root --oversubscribe \"$HOOF\" ablate '\(Example.model)' "
        + "--calibration '\(Example.prompts)' \(words.joined(separator: " ")) --shard auto -o part.json -q")
    try #require(run.status == 0, "\(run.errors)")
    #expect(folder.names().filter { $0.hasPrefix("part") } == ["part-1-of-2.json", "part-2-of-2.json"])
    let joined = merge(["part-1-of-2.json", "part-2-of-2.json"], ["--json"])
    #expect(joined.status == 0, "\(joined.errors)")
    let whole = try report(Example.model, Example.prompts, words)
    #expect(try comparable(JSON(parsing: joined.output)) == comparable(whole, without: ["seconds", "safe"]))
  }

  @Test("parts that do not make a study are refused with one line, and nothing is written")
  func badMerges() throws {
    let prompts = try folder.write("few.txt", "Once upon a time there was a fox.\nThe dog ran.\n")
    func part(_ name: String, _ shard: String, _ words: [String] = []) {
      let run = ablate(Example.model, prompts, ["--shard", shard, "-o", folder.file(name)] + words)
      #expect(run.status == 0, "\(run.errors)")
    }
    for index in 1...3 { part("\(index).json", "\(index)/3") }
    part("longer.json", "2/3", ["--max-tokens", "5"])
    part("heads.json", "2/3", ["--heads"])
    part("mean.json", "2/3", ["--ablation", "mean"])
    part("other.json", "2/2")
    #expect(ablate(Example.model, prompts, ["-o", folder.file("whole.json")]).status == 0)
    try folder.write("no.json", "[]")
    try folder.write("broken.json", "{\"format\":")
    try folder.write("huge.json", #"{"format":"hoof-ablation","version":1,"shard":{"index":1,"count":9000000000000}}"#)
    let before = folder.names()
    let cases: [(parts: [String], reason: String)] = [
      (["1.json", "3.json"], "part 2 of 3 is missing"), (["2.json", "3.json"], "part 1 of 3 is missing"),
      (["1.json", "2.json", "2.json", "3.json"], "2.json: part 2 is given twice"),
      (["1.json", "longer.json", "3.json"], "longer.json: its calibration.max_tokens differs"),
      (["1.json", "heads.json", "3.json"], "heads.json: its shard.study differs"),
      (["1.json", "mean.json", "3.json"], "mean.json: its "), (["1.json", "other.json", "3.json"], "other.json: its shard count differs"),
      (["1.json", "whole.json"], "whole.json: not a part of a sharded study"), (["no.json"], "no.json: not a hoof ablation report"),
      (["broken.json"], "broken.json: "), (["huge.json"], "huge.json: "), (["nothing.json"], "nothing.json: No such file"),
    ]
    for (parts, reason) in cases {
      let run = merge(parts, ["-o", folder.file("r.json"), "--html", folder.file("r.html")])
      #expect(run.status == 1 && run.errors.contains(reason), "\(parts): \(run.errors)")
      #expect(run.errors.split(separator: "\n").count == 1 && run.output.isEmpty && folder.names() == before)
    }
    let idle = merge(["1.json", "2.json", "3.json"], ["--heads"])
    #expect(idle.status == 2 && idle.errors.contains("--merge and --heads"), "\(idle.errors)")
    let first = try folder.read("1.json")
    let over = merge(["1.json", "2.json", "3.json"], ["-o", folder.file("1.json"), "--force"])
    #expect(over.status == 1 && over.errors.contains("1.json") && over.errors.contains("one of the inputs"))
    #expect(try folder.read("1.json") == first)
  }

  @Test(
    "--shard auto without a launcher, and shards that cannot be, are usage errors",
    arguments: ["auto", "0/2", "3/2", "1", "1/0", "a/b", "1/999999999"])
  func badShards(shard: String) {
    let run = ablate(Example.model, Example.prompts, ["--shard", shard])
    #expect(run.status == 2 && run.errors.contains("--shard"), "\(run.errors)")
  }
}
