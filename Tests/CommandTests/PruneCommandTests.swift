import Formats
import JSON
import TestSupport
import Testing

/// `hoof prune` as a user runs it, on the example model: 8 layers.
struct PruneCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// With a fixed memory, so that every run groups the texts alike.
  private func prune(_ words: [String], texts: Bool = true) -> Subprocess {
    Subprocess.hoof(
      ["prune", Example.model, "--memory", "32M", "-q"] + (texts ? ["--calibration", Example.prompts] : []) + words)
  }

  private func json(_ run: Subprocess) throws -> JSON {
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  @Test("a cut is written with its plan, proved, and tells its story to inspect")
  func complete() throws {
    let out = folder.file("cut.hoof")
    let run = prune(["--method", "greedy", "--drop", "2", "-o", out])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(folder.names() == ["cut.hoof", "cut.plan.json"])
    #expect(run.output.contains("verified    logits equal those of the whole model with the same parts passed by"), "\(run.output)")
    #expect(run.output.contains("greedy: --drop 2 is met") && run.output.contains("estimated from bytes and FLOP per token"))
    let plan = try JSON(parsing: folder.read("cut.plan.json"))
    #expect(plan["method"] == "greedy" && plan["steps"]?.array?.count == 2 && plan["options"]?["metric"] == "kl")
    #expect(plan["calibration"]?["sha256"]?.string == SHA256.hex(of: try TestFiles.read(Example.prompts)))
    #expect(plan["calibration"]?["tokens"]?.int == 1193 && plan["source"]?["path"]?.string == Example.model)
    let (passes, naive) = (plan["search"]?["layer_passes"]?.double ?? 0, plan["search"]?["naive_layer_passes"]?.double ?? 0)
    #expect(passes > 8 && passes < naive)

    let seen = try JSON(parsing: Subprocess.hoof(["inspect", out, "--json"]).output)
    let entry = try #require(seen["history"]?.array?.last)
    #expect(entry["method"] == "greedy" && entry["kl"] == plan["measured"]?["kl"] && entry["source"] == plan["source"]?["fingerprint"])
    #expect(entry["plan"]?.string == SHA256.hex(of: try folder.read("cut.plan.json")))
    #expect(seen["original_layers"] == plan["original_layers"])
    let text = Subprocess.hoof(["inspect", out]).output
    let gone = plan["cuts"]?["layers"]?.array?.compactMap(\.int).map(String.init) ?? []
    #expect(
      text.contains("  1. greedy: 8 → 6 layers, kept ") && text.contains("without layer \(gone.joined(separator: ", layer "))"), "\(text)")
    #expect(text.contains("KL ") && text.contains("perplexity ") && text.contains("plan \(entry["plan"]!.string!.prefix(12))"))
  }

  @Test("the plan's cut can be made again, byte for byte, also from a conversion of the model")
  func replay() throws {
    let (out, plan) = (folder.file("a.hoof"), folder.file("p.json"))
    _ = try json(prune(["--method", "finercut", "--metric", "kl", "--drop", "3", "-o", out, "--plan", plan, "--q8", "--json"]))
    #expect(folder.names() == ["a.hoof", "p.json"])
    let again = Subprocess.hoof(["prune", Example.model, "--plan", plan, "-o", folder.file("b.hoof"), "-q"])
    #expect(again.status == 0 && again.output.contains("verified "), "\(again.errors)")
    #expect(try folder.read("a.hoof") == folder.read("b.hoof"))

    let converted = folder.file("base.hoof")
    #expect(Subprocess.hoof(["create", Example.model, "-o", converted, "--f16", "-q"]).status == 0)
    let other = Subprocess.hoof(["prune", converted, "--plan", plan, "-o", folder.file("c.hoof"), "-q", "--json"])
    #expect(try json(other)["verified"]?["against"] == "memory")
    let dry = Subprocess.hoof(["prune", Example.model, "--plan", plan, "--dry-run", "-q"])
    #expect(dry.status == 0 && dry.output.hasPrefix("would write\n") && dry.output.contains("attention ") || dry.output.contains("mlp "))
  }

  @Test("a patch is fitted, told, and made again from the plan without texts", arguments: ["linear", "diag"])
  func patch(kind: String) throws {
    let words = ["--method", "angular", "--drop", "3", "--json"]
    let bare = try json(prune(words + ["-o", folder.file("bare.hoof")]))
    let patched = try json(prune(words + ["-o", folder.file("a.hoof"), "--patch", kind]))
    let decision = try #require(patched["patch"]?.array?.first)
    #expect(decision["kind"]?.string == kind && decision["kl_before"]?.double != nil && decision["kl_after"]?.double != nil)
    #expect(patched["measured"]!["kl"]!.double! <= bare["measured"]!["kl"]!.double!)
    #expect(patched["cuts"]?["patches"]?.array?.isEmpty == (decision["kept"]?.bool == true ? false : nil))
    let again = Subprocess.hoof(["prune", Example.model, "--plan", folder.file("a.plan.json"), "-o", folder.file("b.hoof"), "-q"])
    #expect(again.status == 0, "\(again.errors)")
    #expect(try folder.read("a.hoof") == folder.read("b.hoof"))
  }

  @Test("a narrower stream is cut again from the same texts only, byte for byte")
  func width() throws {
    let (out, plan) = (folder.file("a.hoof"), folder.file("a.plan.json"))
    let first = try json(prune(["--method", "slicegpt", "--ratio", "0.2", "-o", out, "--json"]))
    #expect(first["cuts"]?["width"]?.int == 96 && first["verified"]?["against"] == "memory")
    func again(_ words: [String]) -> Subprocess {
      Subprocess.hoof(["prune", Example.model, "--plan", plan, "-o", folder.file("b.hoof"), "-q"] + words)
    }
    let blind = again([])
    #expect(blind.status == 1 && blind.errors.contains("--calibration \(Example.prompts)"), "\(blind.errors)")
    let other = again(["--calibration", try folder.write("other.txt", "Once upon a time there was a fox.\n")])
    #expect(other.status == 1 && other.errors.contains("by other texts"), "\(other.errors)")
    let shorter = again(["--calibration", Example.prompts, "--max-tokens", "32"])
    #expect(shorter.status == 1 && shorter.errors.contains("--max-tokens 64"), "\(shorter.errors)")
    #expect(again(["--calibration", Example.prompts]).status == 0)
    #expect(try folder.read("a.hoof") == folder.read("b.hoof"))
    #expect(Subprocess.hoof(["inspect", out]).output.contains("width 128 → 96"))
  }

  @Test("cuts of several kinds in one plan are made at once, on an already cut model too")
  func combined() throws {
    _ = try json(prune(["--method", "tail", "--drop", "2", "-o", folder.file("a.hoof"), "--json"], texts: false))
    let cut = folder.file("a.hoof")
    let second = Subprocess.hoof(["prune", cut, "--method", "middle", "--drop", "1", "-o", folder.file("b.hoof"), "-q", "--json"])
    var plan = try #require(try json(second).object)
    let middle = try #require(plan["cuts"]?["layers"]?.array?.first?.int)
    let other = middle == 0 ? 1 : 0
    plan["cuts"] = ["layers": [.int(middle)], "attention": [.int(other)], "neurons": [String(other): .array((0..<32).map { .int($0) })]]
    let path = try folder.write("edited.json", JSON.object(plan).text())
    let run = Subprocess.hoof(["prune", cut, "--plan", path, "-o", folder.file("c.hoof"), "-q", "--json"])
    let result = try json(run)
    #expect((result["verified"]?["largest_relative_difference"]?.double ?? 1) < 1e-4)
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", folder.file("c.hoof"), "--json"]).output)
    #expect(seen["history"]?.array?.map { $0["method"]?.string } == ["tail", "middle"] && seen["layers"]?.array?.count == 5)
    #expect(seen["layers"]?.array?[0]["heads"]?.int == 0 && seen["layers"]?.array?[0]["intermediate_size"]?.int == 352)
    // The figures were another cut's.
    #expect(seen["history"]?.array?.last?["kl"] == nil)
  }

  @Test("a dry run prints the plan with sizes and speed and writes nothing")
  func dryRun() throws {
    let run = prune(["--method", "shortgpt", "--ratio", "0.25", "--dry-run", "-o", folder.file("x.hoof")])
    #expect(run.status == 0 && folder.names().isEmpty && run.output.hasPrefix("would write\n"))
    #expect(run.output.contains("parameters") && run.output.contains("× writing"))
    let plan = try json(prune(["--method", "shortgpt", "--ratio", "0.25", "--dry-run", "--json"]))
    #expect(plan["output"]?.isNull == true && plan["after"]?["layers"]?.int == 6)
    #expect((plan["estimated_speed"]?["decode"]?.double ?? 0) > 1.05 && (plan["estimated_speed"]?["prefill"]?.double ?? 0) > 1.05)
    // What was printed can be replayed.
    let path = try folder.write("plan.json", plan.text())
    #expect(Subprocess.hoof(["prune", Example.model, "--plan", path, "-o", folder.file("x.hoof"), "-q"]).status == 0)
  }

  @Test("limits and budgets end where they should, and the output says which")
  func limits() throws {
    let limited = try json(prune(["--method", "greedy", "--max-ppl-increase", "60%", "-o", folder.file("a.hoof"), "--json"]))
    let (steps, before) = (limited["steps"]?.array ?? [], limited["baseline"]?["perplexity"]?.double ?? 0)
    #expect(!steps.isEmpty && steps.allSatisfy { $0["perplexity"]!.double! <= 1.6 * before })
    #expect(limited["stop"]?.string?.hasPrefix("--max-ppl-increase 60.0 % would be crossed") == true)
    let sized = try json(
      prune(["--method", "tail", "--target-bytes", "500K", "-o", folder.file("b.hoof"), "--json", "--q8"], texts: false))
    #expect((sized["after"]?["bytes"]?.int ?? .max) <= 500 << 10 && sized["steps"]?.array?.last?["kl"] == nil)
    #expect(try JSON(parsing: Subprocess.hoof(["inspect", folder.file("b.hoof"), "--json"]).output)["bytes"] == sized["after"]?["bytes"])
  }

  static let refused: [(words: [String], status: Int, reason: String)] = [
    (["--method", "greedy", "--drop", "2", "-o", "OUT"], 2, "--method greedy measures: --calibration FILE is missing"),
    (["--method", "tail", "--max-kl", "1", "-o", "OUT"], 2, "a limit is measured on texts"),
    (["--method", "tail", "-o", "OUT"], 2, "how much?"), (["--method", "tail", "--drop", "1"], 2, "-o is missing"),
    (["--drop", "1", "-o", "OUT"], 2, "--method NAME is missing"),
    (["--method", "gredy", "--drop", "1", "-o", "OUT"], 2, "did you mean 'greedy'"),
    (["--method", "tail", "--drop", "1", "--ratio", "0.5", "-o", "OUT"], 2, "--drop and --ratio exclude each other"),
    (["--method", "tail", "--drop", "1", "--metric", "js", "-o", "OUT"], 2, "--metric goes with"),
    (["--method", "tail", "--drop", "1", "--patch", "diag", "-o", "OUT"], 2, "a patch is fitted on texts"),
    (["--method", "owl", "--ratio", "0.1", "--patch", "diag", "--calibration", "TEXTS", "-o", "OUT"], 2, "--patch repairs cuts of layers"),
    (["--method", "owl", "--drop", "1", "--calibration", "TEXTS", "-o", "OUT"], 1, "--drop counts layers or sublayers"),
    (["--method", "tail", "--drop", "1", "--exclude", "0.4", "-o", "OUT"], 2, "--exclude goes with finercut"),
    (["--method", "tail", "--drop", "1", "--resume", "-o", "OUT"], 2, "--resume goes with"),
    (["--method", "tail", "--drop", "1", "--max-ppl-increase", "ten", "-o", "OUT"], 2, "expected per cent"),
    (["--method", "tail", "--drop", "8", "-o", "OUT"], 1, "--drop 8: at most 7 of 8 layers can go"),
    (["--method", "tail", "--ratio", "0.01", "-o", "OUT"], 1, "--ratio 0.01: of 8 layers that is not one"),
    (["--method", "tail", "--target-params", "5", "-o", "OUT"], 1, "cannot be reached: without 7 of 8 layers"),
    (["--method", "tail", "--target-bytes", "1G", "-o", "OUT"], 1, "nothing is to be cut"),
    (["--method", "greedy", "--max-kl", "0.0001", "--calibration", "TEXTS", "-o", "OUT"], 1, "nothing can be cut: already without layer"),
    (["--plan", "NONE", "-o", "OUT"], 1, "No such file"), (["--plan", "JUNK", "-o", "OUT"], 1, "junk.json: format: not a plan"),
    (["--plan", "JUNK", "--drop", "2", "-o", "OUT"], 2, "--drop goes with --method"),
  ]

  @Test("what cannot be done is refused with its reason, and nothing is written", arguments: refused.indices)
  func refusals(index: Int) throws {
    let (words, status, reason) = Self.refused[index]
    let junk = try folder.write("junk.json", "{}")
    let places = ["OUT": folder.file("out.hoof"), "NONE": folder.file("none.json"), "JUNK": junk, "TEXTS": Example.prompts]
    let run = Subprocess.hoof(["prune", Example.model, "-q"] + words.map { places[$0] ?? $0 })
    #expect(run.status == Int32(status) && run.errors.contains(reason), "\(run.status) \(run.errors)")
    #expect(run.errors.split(separator: "\n").count == status && run.output.isEmpty && folder.names() == ["junk.json"])
  }

  @Test("a plan of another model is refused, --force makes its cuts all the same; existing files stay without it")
  func force() throws {
    let plan = try json(prune(["--method", "tail", "--drop", "1", "--dry-run", "--json"], texts: false))
    var object = try #require(plan.object)
    object["source"] = ["path": "elsewhere", "fingerprint": "00", "layers": 8]
    let path = try folder.write("plan.json", JSON.object(object).text())
    let out = folder.file("out.hoof")
    let refused = Subprocess.hoof(["prune", Example.model, "--plan", path, "-o", out, "-q"])
    #expect(refused.status == 1 && refused.errors.contains("another model, elsewhere") && refused.errors.contains("--force"))
    #expect(folder.names() == ["plan.json"])
    #expect(Subprocess.hoof(["prune", Example.model, "--plan", path, "-o", out, "-q", "--force"]).status == 0)
    let before = try folder.read("out.hoof")
    let over = prune(["--method", "tail", "--drop", "2", "-o", out], texts: false)
    #expect(over.status == 1 && over.errors.contains("out.hoof") && over.errors.contains("--force"))
    #expect(try folder.read("out.hoof") == before)
    let onModel = prune(["--method", "tail", "--drop", "2", "-o", folder.file("y.hoof"), "--plan", Example.prompts, "--force"])
    #expect(onModel.status == 1 && onModel.errors.contains("one of the inputs"))
  }

  @Test("too few texts are warned about with their number")
  func few() throws {
    let texts = try folder.write("few.txt", "Once upon a time there was a fox.\nThe dog ran.\n")
    let run = Subprocess.hoof(
      ["prune", Example.model, "--calibration", texts, "--method", "ablation", "--drop", "1", "--dry-run", "--memory", "32M"])
    #expect(run.status == 0 && run.errors.contains("has only 2 texts of "), "\(run.errors)")
    let enough = Subprocess.hoof(
      ["prune", Example.model, "--calibration", Example.prompts, "--method", "shortgpt", "--drop", "1", "--dry-run", "--memory", "32M"])
    #expect(enough.status == 0 && enough.errors.contains("layer passes") && !enough.errors.contains("has only"), "\(enough.errors)")
  }

  /// Runs the program until its journal has some lines, then sends it a signal; its exit code as text.
  private func stop(with signal: String, _ words: [String]) -> Subprocess {
    let line = (["prune", Example.model, "--calibration", Example.prompts, "-o", "r.hoof", "--threads", "1", "-q"] + words)
      .map { "'\($0)'" }.joined(separator: " ")
    return Subprocess.shell(
      """
      cd '\(folder.path)'; env --default-signal=INT "$HOOF" \(line) > out & process=$!
      while [ "$(cat r.hoof.journal 2>/dev/null | wc -l)" -lt 12 ] && kill -0 $process; do sleep 0.01; done
      kill -\(signal) $process; wait $process; echo $?
      """)
  }

  @Test("a search that was killed or interrupted goes on with --resume to the same file and plan", arguments: ["KILL", "INT"])
  func resume(signal: String) throws {
    let words = ["--method", "greedy", "--drop", "5", "--memory", "4M"]
    let stopped = stop(with: signal, words)
    #expect(stopped.output == (signal == "INT" ? "130\n" : "137\n"))
    if signal == "INT" { #expect(stopped.errors.contains("interrupted; ") && stopped.errors.contains("--resume"), "\(stopped.errors)") }
    #expect(folder.names() == ["out", "r.hoof.journal"])
    let common = ["prune", Example.model, "--calibration", Example.prompts, "--threads", "1"] + words
    let stale = Subprocess.hoof(common + ["-o", folder.file("r.hoof")])
    #expect(stale.status == 1 && stale.errors.contains("r.hoof.journal") && stale.errors.contains("--resume"))
    let other = Subprocess.hoof(common + ["-o", folder.file("r.hoof"), "--resume", "--metric", "nll"])
    #expect(other.status == 1 && other.errors.contains("another study"), "\(other.errors)")
    let resumed = Subprocess.hoof(common + ["-o", folder.file("r.hoof"), "--resume"])
    #expect(resumed.status == 0 && resumed.errors.contains("finished pieces found in"), "\(resumed.errors)")
    #expect(Subprocess.hoof(common + ["-o", folder.file("w.hoof"), "-q"]).status == 0)
    #expect(folder.names() == ["out", "r.hoof", "r.plan.json", "w.hoof", "w.plan.json"])
    #expect(try folder.read("r.hoof") == folder.read("w.hoof") && folder.read("r.plan.json") == folder.read("w.plan.json"))
  }
}
