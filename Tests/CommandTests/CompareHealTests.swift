import JSON
import TestSupport
import Testing

/// `hoof compare --heal` on the example model, with as few steps as show that it works.
struct CompareHealTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func heal(_ words: [String]) -> Subprocess {
    Subprocess.hoof(["compare", Example.model] + CompareCommandTests.quick + words)
  }

  private static let training = [
    "--heal-data", Example.prompts, "--heal-steps", "2", "--heal-batch", "2", "--heal-tokens", "32", "--calibration", Example.prompts,
  ]

  @Test("every way of healing stands beside the cut, in every form of the table")
  func complete() throws {
    let other = try folder.write("other.txt", String(repeating: "The parliament passed the budget of 1984. ", count: 20))
    let page = folder.file("r.html")
    let run = heal(
      ["--strategies", "tail", "--drop", "2", "--heal", "patch,patch-tuned,lora,sft,distill", "--ood", other, "--json", "--html", page]
        + Self.training)
    let report = try JSON(parsing: run.output)
    let rows = try #require(report["rows"]?.array, "\(run.errors)")
    let kinds = ["none", "patch", "patch-tuned", "lora", "sft", "distill"]
    #expect(rows.dropFirst().map { $0["heal"]?["kind"]?.string } == kinds)
    #expect(rows.map { $0["name"]?.string } == ["base", "tail −2"] + kinds.dropFirst().map { "tail −2 + \($0)" })
    #expect(report["heal"]?["steps"] == 2 && report["heal"]?["batch"] == 2 && report["ood"]?["path"] == .string(other))
    for row in rows {
      #expect((row["ood_perplexity"]?.double ?? 0) > 1 && row["generation"]?["distinct_3"]?.double != nil)
      #expect((row["decode"]?["avg_ts"]?.double ?? 0) > 0)
    }
    #expect(rows[0]["generation"]?["agreement"]?.double == 1 && rows[0]["heal"]?.isNull == true)
    // Six layers each; patches add their own matrices, and training changes no size.
    let parameters = rows.compactMap { $0["parameters"]?.int }
    #expect(parameters[4] == parameters[1] && parameters[5] == parameters[1] && parameters[6] == parameters[1])
    #expect(rows[3]["parameters"] == rows[2]["parameters"] && parameters[2] > parameters[1])
    #expect(rows.dropFirst().allSatisfy { $0["layers"] == 6 && $0["removed_layers"] == [6, 7] })
    let trained = rows.map { $0["heal"]?["trained_parameters"]?.int ?? 0 }
    #expect(trained[1] == 0 && trained[2] == 0 && trained[5] == parameters[1] && trained[6] == parameters[1])
    #expect(trained[3] == parameters[2] - parameters[1] && trained[4] > 0 && trained[4] < trained[5] / 2)
    // Trained from the same start with other losses: all differ.
    #expect(Set(rows.compactMap { $0["perplexity"]?.double }).count == rows.count)
    let html = try TestFiles.text(page)
    #expect(html.contains("Healing") && html.contains("tail −2 + patch-tuned"))
  }

  @Test("a rate of nearly nothing leaves every cut as it was, stored and read back")
  func still() throws {
    let path = folder.file("cut.hoof")
    let cut = Subprocess.hoof(["create", Example.model, "-o", path, "--drop-layers", "3,5", "-q"])
    try #require(cut.status == 0, "\(cut.errors)")
    let run = heal([path, "--heal", "lora,sft,distill,patch,patch-tuned", "--heal-lr", "1e-12", "--json"] + Self.training.dropLast(2))
    let rows = try #require(try JSON(parsing: run.output)["rows"]?.array, "\(run.errors)")
    let perplexities = rows.compactMap { $0["perplexity"]?.double }
    #expect(perplexities.count == 7 && rows[1]["name"] == "cut.hoof")
    // Values are stored as the model stores them, so nothing but the order of sums can differ.
    for row in 2...4 { #expect(abs(perplexities[row] / perplexities[1] - 1) < 1e-5, "\(rows[row]["name"] ?? nil)") }
    #expect(abs(perplexities[6] / perplexities[5] - 1) < 1e-5)
  }

  @Test("without --drop the shares of a seventh to a quarter of the layers are removed; table and Markdown have the healing below")
  func usual() {
    let words = ["--strategies", "tail", "--heal", "sft"] + Self.training.dropLast(2)
    let run = heal(words + ["--format", "markdown"])
    #expect(run.output.contains("| tail −1 + sft ") && run.output.contains("| tail −2 + sft ") && !run.output.contains("tail −3"))
    #expect(run.output.contains("| recovered ") && run.output.contains("| writes the same "), "\(run.errors)")
  }

  @Test(
    "what cannot be healed is a usage error with exit code 2",
    arguments: [
      (["--heal", "stf", "--heal-data", Example.prompts], "there is no way of healing 'stf'; did you mean 'sft'?"),
      (["--heal", "sft"], "--heal-data FILE is missing: the texts that 'sft' trains on"),
      (["--heal", "patch"], "'patch' is fitted on texts: --calibration FILE or --heal-data FILE is missing"),
      (["--heal-steps", "3"], "--heal-steps goes with --heal"),
      (["--heal", "sft,sft", "--heal-data", Example.prompts], "'sft' is there twice"),
      (["--heal", "sft", "--heal-data", Example.prompts, "--heal-lr", "x"], "--heal-lr: expected a learning rate"),
      (["--heal", "sft", "--heal-data", Example.prompts, "--heal-lr", "patch:1"], "'patch' trains nothing"),
    ])
  func usage(words: [String], reason: String) {
    let run = heal(["--strategies", "tail:1"] + words)
    #expect(run.status == 2 && run.output.isEmpty && run.errors.contains(reason), "\(run.errors)")
  }

  @Test("texts to heal with that cannot be read end with exit code 1 and name the line")
  func failures() throws {
    let damaged = try folder.write("damaged.jsonl", "{\"text\": \"fine\"}\n{\"text\": \n")
    let run = heal(["--strategies", "tail:1", "--heal", "sft", "--heal-data", damaged])
    #expect(run.status == 1 && run.errors.contains("damaged.jsonl") && run.errors.contains("2"), "\(run.errors)")
  }
}
