import JSON
import TestSupport
import Testing

/// `hoof compare` as a user runs it, on the example model, with as little timing as shows that it works.
struct CompareCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let quick = [
    "--data", Example.prompts, "--window", "64", "--windows", "4", "--prompt-tokens", "32", "--gen-tokens", "4", "--runs", "2", "--warmup",
    "1", "--threads", "1", "-q",
  ]

  private func compare(_ words: [String], model: String = Example.model) -> Subprocess {
    Subprocess.hoof(["compare", model] + Self.quick + words)
  }

  /// The example model without some layers, as a file.
  private func cut(_ layers: String, _ more: [String] = []) throws -> String {
    let path = folder.file("without-\(layers).hoof")
    let run = Subprocess.hoof(["create", Example.model, "-o", path, "--drop-layers", layers, "-q"] + more)
    try #require(run.status == 0, "\(run.errors)")
    return path
  }

  @Test("files and cuts made in memory stand in one table: every key of the JSON, and the same figures for the same cut")
  func complete() throws {
    let file = try cut("7")
    let (output, page) = (folder.file("c.json"), folder.file("c.html"))
    let run = compare([file, "--strategies", "tail,first", "--drop", "1,3", "--json", "-o", output, "--html", page])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(try TestFiles.text(output) == run.output)
    #expect(try TestFiles.text(page).hasPrefix("<!doctype html>"))
    let report = try JSON(parsing: run.output)
    #expect(report["format"] == "hoof-comparison" && report["version"] == 1 && report["data"]?["windows"] == 4)
    #expect(report["timing"] == ["warmup": 1, "runs": 2, "n_prompt": 32, "n_depth": 32, "n_gen": 4])
    let rows = try #require(report["rows"]?.array)
    #expect(rows.map { $0["name"]?.string } == ["base", "without-7.hoof", "tail −1", "tail −3", "first −1", "first −3"])
    #expect(rows.map { $0["layers"]?.int } == [8, 7, 7, 5, 7, 5])
    #expect(rows.map { $0["removed_layers"]?.array?.compactMap(\.int) } == [[], [7], [7], [5, 6, 7], [0], [0, 1, 2]])
    for row in rows {
      for key in ["parameters", "bytes", "removed_params_pct", "perplexity", "perplexity_change_pct", "kl", "kl_stderr", "top1_agreement"] {
        #expect(row[key]?.double != nil, "\(key)")
      }
      for pass in ["prefill", "decode"] {
        #expect(row[pass]?["samples_ts"]?.array?.count == 2 && (row[pass]?["avg_ts"]?.double ?? 0) > 0)
        #expect(row[pass]?["stddev_ts"]?.double != nil && (row[pass]?["speed_up"]?["median"]?.double ?? 0) > 0)
      }
    }
    #expect(rows[0]["kl"]?.double.map { abs($0) < 1e-6 } == true && rows[0]["top1_agreement"]?.double == 1)
    #expect((rows[1]["kl"]?.double ?? 0) > 0.001)
    // The same weights from a file and from memory: the same sums in the same order.
    for key in ["parameters", "bytes", "perplexity", "kl", "top1_agreement"] { #expect(rows[1][key] == rows[2][key], "\(key)") }
  }

  @Test("methods that choose the same layers share one measurement")
  func twins() throws {
    // Seven of eight layers: the first and the middle seven are the same.
    let run = compare(["--strategies", "first,middle", "--drop", "7", "--json"])
    let rows = try #require(try JSON(parsing: run.output)["rows"]?.array, "\(run.errors)")
    #expect(rows[1]["removed_layers"] == rows[2]["removed_layers"] && rows[1]["decode"] == rows[2]["decode"])
    #expect(rows[1]["name"] == "first −7" && rows[2]["name"] == "middle −7")
  }

  @Test("methods that measure choose on the calibration texts, as hoof prune does; larger cuts go on from smaller ones")
  func measured() throws {
    let run = compare(["--strategies", "greedy,shortgpt,finercut", "--drop", "1,2", "--calibration", Example.prompts, "--json"])
    let rows = try #require(try JSON(parsing: run.output)["rows"]?.array, "\(run.errors)")
    #expect(
      rows.map { $0["name"]?.string } == [
        "base", "greedy −1", "greedy −2", "shortgpt −1", "shortgpt −2", "finercut −1 sublayer", "finercut −2 sublayers",
      ])
    let suggestion = try report(Example.model, Example.prompts, ["--suggest-drop", "2"])["suggested_drop"]?.array?.compactMap(\.int)
    #expect(rows[2]["removed_layers"]?.array?.compactMap(\.int) == suggestion?.sorted() && suggestion?.count == 2)
    // Both keep all layers, and are not the same model.
    #expect(rows[5]["kl"] != rows[6]["kl"] && rows[5]["decode"] != rows[6]["decode"])
    #expect(rows[5]["removed_layers"] == [] && (rows[5]["removed_params_pct"]?.double ?? 0) > 0)
  }

  @Test("the seed chooses the random layers")
  func seeds() throws {
    func layers(_ seed: String) throws -> JSON? {
      let run = compare(["--strategies", "random", "--drop", "3", "--seed", seed, "--json"])
      return try JSON(parsing: run.output)["rows"]?.array?[1]["removed_layers"]
    }
    let first = try layers("1")
    #expect(first?.array?.count == 3)
    #expect(try layers("1") == first)
    #expect(try ["2", "3", "4"].contains { try layers($0) != first })
  }

  @Test("table, Markdown and CSV hold the same rows")
  func formats() throws {
    let words = ["--strategies", "tail:1,middle:3"]
    let table = compare(words)
    #expect(table.status == 0 && table.output.contains("perplexity over windows of 64 behind a begin token"), "\(table.errors)")
    #expect(table.output.contains("middle −3: without layers 2-4\n") && table.output.contains("No other model has both"))
    let markdown = compare(words + ["--format", "markdown"]).output.split(separator: "\n").filter { $0.hasPrefix("|") }
    #expect(markdown.count == 2 + 3 && markdown[4].hasPrefix("| middle −3 "))
    let columns = markdown.map { $0.filter { $0 == "|" }.count }
    #expect(Set(columns) == [14])
    let lines = compare(words + ["--format", "csv"]).output.split(separator: "\n")
    let cells = lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    #expect(cells.count == 4 && Set(cells.map(\.count)).count == 1)
    let perplexity = try #require(cells[0].firstIndex(of: "perplexity"))
    #expect(cells.map(\.[0]) == ["name", "base", "tail −1", "middle −3"])
    #expect(cells.dropFirst().allSatisfy { Double($0[perplexity]) != nil })
  }

  @Test(
    "what cannot be compared is a usage error with exit code 2",
    arguments: [
      (["--strategies", "tial", "--drop", "1"], "there is no strategy 'tial'; did you mean 'tail'?"),
      (["--strategies", "tail", "--drop", "8"], "--drop: 8 of 8 layers cannot be removed; 1 to 7 can go"),
      (["--strategies", "tail:0"], "--drop: 0 of 8 layers cannot be removed"),
      (["--strategies", "tail:x"], "'tail:x': expected a number of layers"), (["--strategies", "tail"], "--drop is missing"),
      (["--strategies", "tail:1,tail:1"], "'tail −1' is there twice"), (["--drop", "1"], "nothing to compare"),
      ([Example.model, "--drop", "1"], "--drop goes with --strategies"),
      (["--strategies", "tail:1", "--window", "100000"], "in a context of 512 tokens"),
      (["--strategies", "tail:1", "--prompt-tokens", "100000"], "--prompt-tokens 100000: the models' context"),
      (["--strategies", "tail:1", "--json", "--format", "csv"], "exclude each other"),
      (["--strategies", "greedy:1"], "--calibration FILE is missing: 'greedy' measures the model on texts"),
      (["--strategies", "minitron", "--drop", "1"], "--ratio is missing: what share of the neurons"),
      (["--strategies", "minitron:1.5"], "expected a share between 0 and 1, not '1.5'"),
    ])
  func usage(words: [String], reason: String) {
    let run = compare(words)
    #expect(run.status == 2 && run.output.isEmpty && run.errors.contains(reason), "\(run.errors)")
  }

  @Test("no base and no data are usage errors")
  func missing() {
    let bare = Subprocess.hoof(["compare"])
    #expect(bare.status == 2 && bare.errors.contains("BASE is missing"))
    let dataless = Subprocess.hoof(["compare", Example.model, Example.model])
    #expect(dataless.status == 2 && dataless.errors.contains("--data FILE is missing"))
  }

  @Test("an unreadable cut, another vocabulary, an empty text and an existing output end with exit code 1 and name the file")
  func failures() throws {
    let damaged = try folder.write("damaged.hoof", "not a model")
    let unreadable = compare([damaged])
    #expect(unreadable.status == 1 && unreadable.errors.contains("damaged.hoof: is neither"), "\(unreadable.errors)")

    #expect(Subprocess.hoof(["random-model", "--shape", "tiny", "-o", folder.file("other"), "-q"]).status == 0)
    let other = compare([folder.file("other")])
    #expect(other.status == 1 && other.errors.contains("its vocabulary of") && other.errors.contains("/other"), "\(other.errors)")

    let empty = try folder.write("empty.txt", "")
    let textless = Subprocess.hoof(["compare", Example.model, Example.model, "--data", empty, "-q"])
    #expect(textless.status == 1 && textless.errors.contains("empty.txt: is empty"), "\(textless.errors)")

    let existing = try folder.write("existing.json", "{}")
    let refused = compare(["--strategies", "tail:1", "-o", existing])
    #expect(refused.status == 1 && refused.errors.contains("--force"))
    #expect(try TestFiles.text(existing) == "{}")
  }

  @Test("another tokenizer with the same vocabulary size is refused when it reads the text differently")
  func tokenizers() throws {
    let copy = try Example.copy()
    let text = try TestFiles.text("\(Example.model)/tokenizer.json")
    let json = try #require(try JSON(parsing: text).object)
    var (model, changed) = (try #require(json["model"]?.object), json)
    model["merges"] = .array(Array(try #require(model["merges"]?.array).dropLast(200)))
    changed["model"] = .object(model)
    try copy.write("tokenizer.json", JSON.object(changed).text())
    let run = compare([copy.path])
    #expect(run.status == 1 && run.errors.contains("its tokenizer reads"), "\(run.errors)")
  }

  @Test("a signal ends the comparison with 130 and no file")
  func interrupt() {
    let line =
      "\"$HOOF\" compare '\(Example.model)' --strategies tail --drop 1-7 --data '\(Example.prompts)' --runs 5000 -q -o '\(folder.path)/a.json' "
      + "& sleep 2; kill -TERM $!; wait $!; echo $?"
    let run = Subprocess.shell(line)
    #expect(run.output == "130\n" && run.errors.contains("interrupted; nothing was written"), "\(run)")
    #expect(folder.names().isEmpty)
  }

  @Test(
    "the base's perplexity is PyTorch's and hoof eval's", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: [true, false])
  func reference(bos: Bool) throws {
    let rows = try #require(try SharedData.json("reference/stories260K/perplexity.json")["rows"]?.array)
    let row = try #require(rows.first { $0["window"] == 128 && $0["bos"]?.bool == bos && $0["text"] == "tinystories_valid_a" })
    let whole = try TestFiles.text(SharedData.path("data/text/tinystories_valid_a.txt"))
    let count = try #require(row["first_chars"]?.int)
    let part = String(String.UnicodeScalarView(whole.unicodeScalars.prefix(count)))
    let (model, text) = (SharedData.path("models/stories260K"), try folder.write("t.txt", part))
    let words = ["--window", "128", "--json", "-q"] + (bos ? [] : ["--no-bos"])
    let timing = ["--runs", "1", "--warmup", "0", "--prompt-tokens", "8", "--gen-tokens", "1"]
    let run = Subprocess.hoof(["compare", model, "--strategies", "tail:1", "--data", text] + words + timing)
    let report = try JSON(parsing: run.output)
    let expected = try #require(row["ppl"]?.double)
    let own = try #require(report["rows"]?.array?[0]["perplexity"]?.double, "\(run.errors)")
    #expect(abs(own - expected) <= 1e-4 * expected && report["data"]?["scored_tokens"]?.int == row["scored_tokens"]?.int)
    let alone = try JSON(parsing: Subprocess.hoof(["eval", model, "--perplexity", text] + words).output)
    // The same windows in other batches: sums in another order.
    let other = try #require(alone["perplexity"]?["perplexity"]?.double)
    #expect(abs(own - other) <= 1e-6 * other)
  }
}
