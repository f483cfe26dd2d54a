import Glibc
import JSON
import TestSupport
import Testing

@Suite(.serialized) struct BenchCommandTests {
  let scratch: TemporaryFolder

  init() throws { scratch = try TemporaryFolder() }

  @Test("bench writes the same results to the file and to standard output: rows, peaks, unit and share of the roof")
  func results() throws {
    let path = "\(scratch.path)/ops.json"
    let words = ["bench", "--ops", "--backend", "cpu", "--threads", "1", "--filter", "rmsNorm [64,", "--seconds", "0.001", "-o", path]
    let run = Subprocess.hoof(words + ["--json", "-q"])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(try TestFiles.text(path) == run.output)
    let results = try JSON(parsing: run.output)
    let row = try #require(results["rows"]?.array?.first)
    #expect(results["rows"]?.array?.count == 1 && row["op"]?.string == "rmsNorm" && row["roof"]?.string == "memory")
    #expect((row["best_ns"]?.int ?? 0) > 0 && (row["best_ns"]?.int ?? 0) <= (row["median_ns"]?.int ?? 0))
    #expect((results["peaks"]?.array?.first?["read_bytes_per_second"]?.double ?? 0) > 1e8)
    #expect(results["blas"] == nil)
    let refused = Subprocess.hoof(words)
    #expect(refused.status == 1 && refused.errors.contains("--force"))
    #expect(try TestFiles.text(path) == run.output)
  }

  @Test("matrix products are measured beside plain OpenBLAS")
  func besideBLAS() throws {
    let words = ["bench", "--backend", "cpu", "--threads", "1", "--filter", "blas [64,", "--seconds", "0.001", "-q"]
    let result = try JSON(parsing: Subprocess.hoof(words + ["--json"]).output)
    let rows = try #require(result["blas"]?.array)
    #expect(rows.count == 1 && rows[0]["shape"]?.string == "[64, 384]·[384, 384]ᵀ" && rows[0]["threads"]?.int == 1)
    let (ours, plain) = (rows[0]["ours"]?["median_ns"]?.int ?? 0, rows[0]["plain"]?["median_ns"]?.int ?? 0)
    #expect(ours > 0 && plain > 0 && abs((rows[0]["ratio"]?.double ?? 0) - Double(plain) / Double(ours)) < 0.01)
    #expect(Subprocess.hoof(words).output.contains("of OpenBLAS"))
  }

  @Test(
    "what cannot be measured is a usage error",
    arguments: [
      (["--backend", "cpu,cdua"], "not 'cdua'; did you mean 'cuda'?"), (["--backend", "cpu,cpu"], "names a backend twice"),
      (["--filter", "no such op"], "no case has all the words"), (["--seconds", "0"], "out of range"),
    ])
  func refusals(words: [String], reason: String) {
    let run = Subprocess.hoof(["bench", "--ops"] + words)
    #expect(run.status == 2 && run.output.isEmpty && run.errors.contains(reason), "\(run.errors)")
  }

  @Test("a signal ends the benchmark with 130 and no file")
  func interrupt() {
    let line =
      "\"$HOOF\" bench --backend cpu --filter add --seconds 0.5 -q -o '\(scratch.path)/a.json' & sleep 1; kill -TERM $!; wait $!; echo $?"
    let run = Subprocess.shell(line)
    #expect(run.output == "130\n" && run.errors.contains("interrupted; no results were written"), "\(run)")
    #expect(scratch.names().isEmpty)
  }
}

@Suite struct RandomModelCommandTests {
  let scratch: TemporaryFolder

  init() throws { scratch = try TemporaryFolder() }

  @Test("a made-up model can be tokenized for, converted and studied; no list of commands names the command that makes it")
  func study() throws {
    let folder = "\(scratch.path)/tiny"
    #expect(Subprocess.hoof(["random-model", "--shape", "tiny", "-o", folder, "--seed", "3"]).status == 0)
    #expect(Subprocess.hoof(["tokenize", folder, "--json"], input: #"["Hé"]"#).output == "[[256,72,195,169]]\n")
    #expect(Subprocess.hoof(["tokenize", folder, "--decode"], input: "72 195 169").output == "Hé\n")
    #expect(Subprocess.hoof(["create", folder, "-o", "\(folder).hoof", "--q8"]).status == 0)
    try scratch.write("prompts.txt", "Once upon a time\nthere was\n")
    let run = Subprocess.hoof(["ablate", "\(folder).hoof", "--calibration", "\(scratch.path)/prompts.txt", "--json", "-q"])
    #expect(try JSON(parsing: run.output)["layers"]?.array?.count == 3, "\(run.errors)")
    #expect(Subprocess.hoof(["random-model", "--shape", "tiny", "-o", folder]).status == 1, "an existing folder stays as it is")
    #expect(!Subprocess.hoof(["help"]).output.contains("random-model"))
    #expect(Subprocess.hoof(["help", "random-model"]).output.contains("--shape"))
  }
}
