import JSON
import TestSupport
import Testing

/// Cuts inside layers by `hoof create`: where scores come from, what goes, and what is refused.
struct CreateCutTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs `hoof create MODEL … --json` and reads what it printed.
  private func create(_ model: String = Example.model, _ words: [String]) throws -> JSON {
    let run = Subprocess.hoof(["create", model, "--json", "-q"] + words)
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  private func expectRefusal(
    _ words: [String], model: String = Example.model, status: Int32 = 1, saying reasons: String...,
    location: SourceLocation = #_sourceLocation
  ) {
    let out = folder.file("refused.hoof")
    let run = Subprocess.hoof(["create", model, "-o", out, "-q"] + words)
    #expect(run.status == status && run.output.isEmpty, "\(run.status): \(run.errors)", sourceLocation: location)
    for reason in reasons { #expect(run.errors.contains(reason), "\(run.errors)", sourceLocation: location) }
    #expect(run.errors.split(separator: "\n").count == Int(status) && !TestFiles.exists(out), "\(run.errors)", sourceLocation: location)
  }

  private func sizes(_ created: JSON, _ part: String) -> [Int] { created["layers"]?.array?.compactMap { $0[part]?["after"]?.int } ?? [] }

  @Test("the pipeline of the manual runs as it is printed, though the report is of another conversion")
  func pipeline() throws {
    let base = folder.file("base.hoof"), report = folder.file("ablation.json"), pruned = folder.file("pruned.hoof")
    _ = try create(["-o", base, "--q8"])
    let study = Subprocess.hoof([
      "ablate", base, "--calibration", Example.prompts, "--max-tokens", "64", "--suggest-drop", "2", "--heads", "--head-layers", "7", "-o",
      report, "-q",
    ])
    #expect(study.status == 0, "\(study.errors)")
    let run = Subprocess.hoof(["create", Example.model, "-o", pruned, "--layers", report, "--prune-neurons", "0.1", "--q4k"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("ablation.json has no such scores: measuring them on its texts"))
    #expect(run.output.contains("→ 6") && run.output.contains("384 → "), "\(run.output)")
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", pruned, "--verify", "--json"]).output)
    let sizes = seen["layers"]?.array?.compactMap { $0["intermediate_size"]?.int } ?? []
    #expect(seen["verified"]?.bool == true && sizes.count == 6 && sizes.allSatisfy { $0 % 32 == 0 } && sizes.contains { $0 < 384 })
    let entry = try #require(seen["history"]?.array?.first)
    #expect(entry["method"]?.string == "layers + prune-neurons" && entry["neuron_score"]?.string == "mean-abs")
    #expect(entry["neuron_threshold"]?.double == 0.1 && entry["measured_on"]?.string != nil && entry["score_calibration"]?.string != nil)
    // And the result is a model like any other.
    #expect(try ModelReport(pruned).perplexity > 1)
    // The threshold of the manual is far below what these few neurons do.
    let quiet = Subprocess.hoof(["create", Example.model, "--dry-run", "--layers", report, "--prune-neurons", "0.005", "--q4k"])
    #expect(quiet.status == 0 && quiet.errors.contains("no neuron scores below 0.005"), "\(quiet.errors)")
  }

  private struct ModelReport {
    let perplexity: Double
    init(_ path: String) throws {
      perplexity = try report(path)["baseline"]?["perplexity"]?.double ?? 0
    }
  }

  @Test("scores that the report has are not measured again, and give the same cut")
  func reportScores() throws {
    let path = folder.file("r.json")
    #expect(ablate(Example.model, Example.prompts, ["--neurons", "--suggest-drop", "1", "--kv-groups", "-o", path]).status == 0)
    let words = ["--dry-run", "--neuron-ratio", "0.25", "--prune-heads", "0.25"]
    let told = try create(words + ["--layers", path])
    let run = Subprocess.hoof(["create", Example.model, "--layers", path] + words)
    #expect(!run.errors.contains("computing on") && run.output.contains("384 → 288") && run.output.contains("8 → 6"), "\(run.errors)")
    let dropped = try JSON(parsing: TestFiles.read(path))["suggested_drop"]?.array?[0].int ?? -1
    let measured = try create(words + ["--drop-layers", String(dropped), "--calibration", Example.prompts])
    #expect(sizes(told, "neurons") == sizes(measured, "neurons") && sizes(told, "neurons") == [Int](repeating: 288, count: 7))
    #expect(sizes(told, "kv_heads") == [Int](repeating: 3, count: 7))
    // A report that lost its neurons is not taken for one that measured them.
    var object = try #require(try JSON(parsing: TestFiles.read(path)).object)
    object["neurons"] = [["layer": 0, "mean_abs": [0.5, 1]]]
    let damaged = try folder.write("damaged.json", JSON.object(object).text())
    expectRefusal(["--neuron-ratio", "0.25", "--layers", damaged], saying: "neurons: layer 0 has 2 values of mean_abs, the model has 384")
  }

  @Test("a report of another model is refused, and --force takes it all the same")
  func otherModel() throws {
    let path = try folder.write(
      "r.json", #"{"format":"hoof-ablation","version":1,"model":{"layers":8,"fingerprint":"f","path":"other"},"suggested_drop":[3]}"#)
    expectRefusal(["--layers", path], saying: "model.fingerprint: the report was made from another model (other)", "--force")
    let forced = try create(["--layers", path, "--force", "--dry-run"])
    #expect(forced["after"]?["layers"]?.int == 7)
    // Neither does a cut of a model pass for the model.
    #expect(ablate(Example.model, Example.prompts, ["--suggest-drop", "1", "-o", folder.file("own.json")]).status == 0)
    #expect(try create(["--layers", folder.file("own.json"), "--dry-run"])["after"]?["layers"]?.int == 7)
    let cut = folder.file("cut.hoof")
    _ = try create(["-o", cut, "--drop-mlp", "2"])
    expectRefusal(["--layers", folder.file("own.json")], model: cut, saying: "made from another model")
  }

  @Test("heads go by name, by groups and by as many of each group")
  func heads() throws {
    // Of layer 5 group 2, and one head of each other.
    let named = try create(["--dry-run", "--prune-heads", "3:0,1;5:0,2,4-6"])
    #expect(sizes(named, "heads") == [8, 8, 8, 6, 8, 3, 8, 8] && sizes(named, "kv_heads") == [4, 4, 4, 3, 4, 3, 4, 4])
    let each = try create(["--dry-run", "--prune-heads", "each:0.5", "--calibration", Example.prompts])
    #expect(sizes(each, "heads") == [Int](repeating: 4, count: 8) && sizes(each, "kv_heads") == [Int](repeating: 4, count: 8))
    expectRefusal(["--prune-heads", "3:0"], saying: "--prune-heads: layer 3: 2 heads share a key head", "0,2,4,6")
    expectRefusal(["--prune-heads", "9:0"], saying: "layer 9 does not exist")
    expectRefusal(["--prune-heads", "3:8"], saying: "there is no head 8")
    expectRefusal(["--prune-heads", "0.2"], saying: "a share of 0.2 takes none of 4 key/value groups", "1/4")
    expectRefusal(["--prune-heads", "each:0.3"], saying: "takes none of 2 heads of a group")
    expectRefusal(["--prune-heads", "3,1"], status: 2, saying: "expected a share above 0 and below 1")
    expectRefusal(["--prune-heads", "3:a"], status: 2, saying: "expected LAYER:HEADS")
  }

  @Test("sublayers, heads and neurons add up in one cut")
  func together() throws {
    let out = folder.file("cut.hoof")
    let made = try create([
      "-o", out, "--drop-layers", "1", "--drop-attention", "2", "--drop-mlp", "4", "--prune-heads", "3:0-1", "--neuron-ratio", "0.5",
      "--neuron-score", "wanda", "--neuron-multiple", "64", "--calibration", Example.prompts,
    ])
    #expect(sizes(made, "heads") == [8, 0, 6, 8, 8, 8, 8] && sizes(made, "neurons") == [192, 192, 192, 0, 192, 192, 192])
    let entry = try JSON(parsing: Subprocess.hoof(["inspect", out, "--json"]).output)["history"]?.array?.first
    #expect(entry?["method"]?.string == "drop-layers + drop-attention + drop-mlp + prune-heads + neuron-ratio")
    #expect(entry?["neuron_score"]?.string == "wanda" && entry?["calibration"]?.string?.count == 64)
    // An already cut model is cut again.
    let again = try create(out, ["--dry-run", "--neuron-ratio", "0.34", "--calibration", Example.prompts])
    #expect(sizes(again, "neurons") == [128, 128, 128, 0, 128, 128, 128])
  }

  @Test("thresholds, scores and texts that do not go together are refused in one line")
  func refusals() throws {
    let calibration = ["--calibration", Example.prompts]
    expectRefusal(
      ["--prune-neurons", "50"] + calibration, saying: "--prune-neurons: a threshold of 50.0 would empty layer", "the largest that leaves")
    expectRefusal(["--prune-neurons", "0.1"], saying: "needs scores, and nothing has them", "--calibration FILE")
    expectRefusal(["--neuron-ratio", "1"] + calibration, status: 2, saying: "--neuron-ratio: 1 is out of range")
    expectRefusal(["--prune-neurons", "0.1", "--neuron-ratio", "0.1"] + calibration, status: 2, saying: "exclude each other")
    expectRefusal(["--neuron-score", "wand", "--neuron-ratio", "0.1"], status: 2, saying: "did you mean 'wanda'?")
    expectRefusal(["--neuron-score", "wanda"], status: 2, saying: "--neuron-score goes with --prune-neurons or --neuron-ratio")
    expectRefusal(calibration, status: 2, saying: "--calibration goes with")
    expectRefusal(["--drop-mlp", "8"], saying: "--drop-mlp: layer 8 does not exist")
    expectRefusal(["--neuron-ratio", "0.1", "--calibration", try folder.write("none.txt", "\n")], saying: "none.txt: there is no text")
  }

  @Test("a report's texts that changed or went are not measured on")
  func texts() throws {
    let texts = try folder.write("texts.txt", try TestFiles.read(Example.prompts))
    let path = folder.file("r.json")
    #expect(ablate(Example.model, texts, ["--suggest-drop", "1", "-o", path]).status == 0)
    try folder.write("texts.txt", "Once upon a time there was a fox.\n")
    expectRefusal(["--layers", path, "--neuron-ratio", "0.1"], saying: "texts it was measured on have changed", "texts.txt")
    let named = Subprocess.hoof(["create", Example.model, "--dry-run", "--layers", path, "--neuron-ratio", "0.1", "--calibration", texts])
    #expect(named.status == 0 && named.errors.contains("texts.txt has only"), "\(named.errors)")
    let gone = path + ".gone"
    var object = try #require(try JSON(parsing: TestFiles.read(path)).object)
    object["calibration"] = ["path": .string(gone), "sha256": "0", "max_tokens": 64, "tokens": 9]
    let moved = try folder.write("moved.json", JSON.object(object).text())
    expectRefusal(["--layers", moved, "--neuron-ratio", "0.1"], saying: "are not there any more", gone)
  }
}
