import JSON
import TestSupport
import Testing

/// `hoof export` as a user runs it, on the example model and a cut of it.
struct ExportCommandTests {
  let scratch: TemporaryFolder

  init() throws { scratch = try TemporaryFolder() }

  private func cut(_ words: [String]) throws -> String {
    let path = scratch.file("cut.hoof")
    let made = Subprocess.hoof(["create", Example.model, "-o", path, "--force", "-q"] + words)
    try #require(made.status == 0, "\(made.errors)")
    return path
  }

  private func perplexity(_ model: String) throws -> Double {
    let run = Subprocess.hoof(["eval", model, "--perplexity", Example.prompts, "--window", "100", "-q", "--json"])
    try #require(run.status == 0, "\(run.errors)")
    return try #require(try JSON(parsing: run.output)["perplexity"]?["perplexity"]?.double)
  }

  @Test("a cut model leaves as a folder and as a GGUF, says first what it fills with zeros, and both have its perplexity")
  func cutModel() throws {
    let words = ["--drop-attention", "1", "--drop-mlp", "2", "--prune-heads", "each:0.5", "--neuron-ratio", "0.3"]
    let model = try cut(words + ["--calibration", Example.prompts, "--q8"])
    let expected = try perplexity(model)
    for (option, name, least) in [("--hf", "out", 2.0), ("--gguf", "out.gguf", 1.0)] {
      let run = Subprocess.hoof(["export", model, option, scratch.file(name)])
      #expect(run.status == 0 && run.output.hasPrefix("wrote "), "\(run.errors)")
      #expect(run.errors.contains("layer 1 without attention: written with one of zeros"), "\(run.errors)")
      #expect(run.errors.contains("layer 2 without MLP: written with one of zeros") && run.errors.contains("parameters "))
      #expect(run.errors.contains("quantised weights become f32") == (option == "--hf"))
      let told = try JSON(parsing: Subprocess.hoof(["export", model, option, scratch.file(name), "--dry-run", "--json", "-q"]).output)
      let (before, after) = (try #require(told["before"]?["bytes"]?.int), try #require(told["after"]?["bytes"]?.int))
      #expect(Double(after) > Double(before) * least && told["changes"]?.array?.count == 3 && told["output"]?.isNull == true)
      // The same products with zeros between, of weights widened exactly.
      let measured = try perplexity(scratch.file(name))
      #expect(abs(measured / expected - 1) < 1e-5, "\(option): \(measured) beside \(expected)")
      let again = Subprocess.hoof(["export", model, option, scratch.file(name)])
      #expect(again.status == 1 && again.errors.contains("--force replaces it"))
      #expect(Subprocess.hoof(["export", model, option, scratch.file(name), "--force", "-q"]).status == 0)
      let strict = Subprocess.hoof(["export", model, option, scratch.file("strict"), "--strict"])
      #expect(strict.status == 1 && strict.errors.contains("--strict writes only what") && strict.output.isEmpty)
    }
    #expect(Set(scratch.names()) == ["cut.hoof", "out", "out.gguf"])
    #expect(TestFiles.names(in: scratch.file("out")).contains("README.md"))
  }

  @Test("a GGUF is a model for every command, and becomes a .hoof file")
  func gguf() throws {
    let file = scratch.file("m.gguf")
    #expect(Subprocess.hoof(["export", Example.model, "--gguf", file, "--strict", "-q"]).status == 0)
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", file, "--verify", "--json"]).output)
    let original = try JSON(parsing: Subprocess.hoof(["inspect", Example.model, "--verify", "--json"]).output)
    #expect(seen["format"] == "gguf" && original["format"] != "gguf" && seen["fingerprint"] == original["fingerprint"])
    #expect(seen["config"] == original["config"] && seen["chat_template"] == original["chat_template"])
    #expect(Subprocess.hoof(["inspect", file]).output.contains("GGUF file"))
    let texts = #"["Once upon a time", "  Two  blanks\n\nand 1234 lines", "<|begin_of_text|> café"]"#
    let ids = Subprocess.hoof(["tokenize", file, "--json"], input: texts)
    #expect(ids.status == 0 && ids.output == Subprocess.hoof(["tokenize", Example.model, "--json"], input: texts).output)
    let made = Subprocess.hoof(["create", file, "-o", scratch.file("m.hoof"), "--drop-layers", "2", "-q"])
    #expect(made.status == 0, "\(made.errors)")
    let model = try cut(["--drop-layers", "2"])
    #expect(try perplexity(scratch.file("m.hoof")) == perplexity(model))
    let ablation = Subprocess.hoof([
      "ablate", file, "--calibration", Example.prompts, "--max-tokens", "16", "-q", "-o", scratch.file("a.json"),
    ])
    #expect(ablation.status == 0, "\(ablation.errors)")
  }

  @Test(
    "what cannot be done is refused with one line",
    arguments: [
      (["export", "MODEL"], 2, "where to is missing: --hf DIR or --gguf FILE"),
      (["export", "MODEL", "--hf", "OUT", "--gguf", "OUT"], 2, "--hf and --gguf exclude each other"),
      (["export", "MODEL", "--gguf", "OUT", "--dtype", "bf16"], 2, "exclude each other"),
      (["export", "MODEL", "--hf", "OUT", "--dtype", "q8"], 2, "--dtype q8: expected bf16, f32, f16"),
      (["export", "MODEL", "--hf", "/nowhere/out"], 1, "/nowhere/out: cannot be made: No such file"),
      (["export", "MODEL", "--gguf", "/nowhere/out.gguf"], 1, "/nowhere/out.gguf: cannot be written"),
      (["export", "/nowhere", "--gguf", "OUT"], 1, "/nowhere: No such file"),
    ])
  func refusals(words: [String], status: Int, reason: String) {
    let words = words.map { $0 == "MODEL" ? Example.model : $0 == "OUT" ? scratch.file("out") : $0 }
    let run = Subprocess.hoof(words)
    #expect(run.status == Int32(status) && run.errors.contains(reason), "\(run.status) \(run.errors)")
    #expect(run.output.isEmpty && scratch.names().isEmpty)
  }
}
