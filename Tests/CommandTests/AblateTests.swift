import BackendCPU
import Evaluation
import Formats
import JSON
import Surgery
import TestSupport
import Testing
import Tokenization
import Transformer

/// `hoof ablate` as a user runs it, on the example model.
struct AblateTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let everything = ["--sublayers", "--heads", "--kv-groups", "--neurons", "--proxies", "--suggest-drop", "2"]

  @Test("a complete study writes every key of the report, a page, a table, and with --json the file itself")
  func complete() throws {
    let (file, page) = (folder.file("r.json"), folder.file("r.html"))
    let run = ablate(Example.model, Example.prompts, Self.everything + ["-o", file, "--html", page])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(folder.names() == ["r.html", "r.json"])
    #expect(run.output.contains("\nlayer  KL, nats") && run.output.contains("suggested drop: layers "))
    #expect(run.output.split(separator: "\n").filter { $0.drop { $0 == " " }.first?.isNumber == true }.count == 8)
    #expect(try TestFiles.text(page).hasPrefix("<!doctype html>"))

    let report = try JSON(parsing: TestFiles.read(file))
    #expect(report["format"] == "hoof-ablation" && report["version"] == 1 && report["ablation"] == "zero")
    #expect(report["model"]?["path"]?.string == Example.model && report["model"]?["fingerprint"]?.string?.isEmpty == false)
    let sizes = ["layers", "heads", "kv_heads", "hidden_size"].map { report["model"]?[$0]?.int }
    #expect(sizes == [8, 8, 4, 128] && report["model"]?["intermediate_sizes"]?.array?.compactMap(\.int) == Array(repeating: 384, count: 8))
    #expect(report["calibration"]?["path"]?.string == Example.prompts)
    #expect(report["calibration"]?["sha256"]?.string == SHA256.hex(of: try TestFiles.read(Example.prompts)))
    #expect(["prompts", "tokens", "max_tokens"].map { report["calibration"]?[$0]?.int } == [24, 1193, 64])
    #expect(report["backend"]?.string?.hasPrefix("cpu") == true && report["seconds"]?.double != nil)
    #expect(report["baseline"]?["cross_entropy"]?.double != nil && report["baseline"]?["perplexity"]?.double != nil)
    let keys = [
      "kl", "kl_stderr", "perplexity", "top1_agreement", "block_influence", "angular_distance", "weight_magnitude", "attention_norm",
    ]
    let layers = try #require(report["layers"])
    #expect(layers.numbers("layer") == Array(0..<8).map(Double.init) && keys.allSatisfy { layers.numbers($0).count == 8 })
    let parts = try #require(report["sublayers"]?.array)
    #expect(parts.map { $0["part"]?.string } == Array(repeating: ["attention", "mlp"], count: 8).flatMap(\.self))
    #expect(report["sublayers"]?.numbers("kl").count == 16 && report["heads"]?.numbers("kl").count == 64)
    #expect(report["heads"]?.numbers("head") == (0..<64).map { Double($0 % 8) })
    #expect(report["kv_groups"]?.numbers("kl").count == 32)
    let neurons = try #require(report["neurons"]?.array)
    #expect(neurons.count == 8 && neurons.allSatisfy { $0["mean_abs"]?.array?.count == 384 && $0["firing_rate"]?.array?.count == 384 })
    for proxy in keys[4...] {
      let correlation = report["proxy_correlation"]?[proxy]
      #expect(correlation?["spearman"]?.double != nil && correlation?["kendall"]?.double != nil)
    }
    #expect(report["suggested_drop"]?.array?.count == 2)
    let base = try #require(report["baseline"]?["perplexity"]?.double)
    let critical = try #require(report["critical"]?["layers"])
    #expect(critical.numbers("perplexity_factor") == critical.numbers("perplexity").map { $0 / base })
    let safe = try #require(report["safe"])
    #expect(safe["perplexity_increase_limit"]?.double == 0.1 && safe["evidence"]?.string?.isEmpty == false)
    #expect(run.output.contains("\nnever remove: ") && run.output.contains("\nsafe to remove"))

    let printed = ablate(Example.model, Example.prompts, ["--json", "-o", folder.file("s.json")])
    #expect(printed.status == 0)
    #expect(try printed.output == TestFiles.text(folder.file("s.json")))
    let plain = try JSON(parsing: printed.output)
    let absent = ["sublayers", "heads", "kv_groups", "neurons", "proxy_correlation", "blocks", "suggested_drop", "shard"]
    #expect(absent.allSatisfy { plain[$0] == nil })
    #expect(plain["layers"]?.numbers("kl") == layers.numbers("kl") && plain["layers"]?.numbers("block_influence").isEmpty == true)
  }

  @Test("the numbers are the library's")
  func library() throws {
    let source = try ModelSource.open(path: Example.model)
    let tokenizer = try Tokenizer(json: try #require(source.tokenizer))
    let prompts = try TestFiles.text(Example.prompts).split(separator: "\n").map { Array(tokenizer.encode(String($0)).prefix(64)) }
    let backend = CPUBackend()
    var options = StudyOptions()
    (options.sublayers, options.heads, options.keyHeads, options.proxies, options.neurons) = (true, .all, true, true, true)
    (options.suggestDrop, options.safeSet) = (2, true)
    let components = source.config.layers.indices.reduce(0) { $0 + options.components(of: $1, source.config).count }
    let plan = StudyPlan(lengths: prompts.map(\.count), config: source.config, components: components, budget: 32 << 20)
    let study = AblationStudy(try Llama(source, on: backend), prompts: prompts, options: options, plan: plan)
    let own = AblationReport(
      try study.run(), of: study, subject: .init(path: Example.model, fingerprint: source.fingerprint(), config: source.config),
      calibration: .init(path: Example.prompts, sha256: SHA256.hex(of: try TestFiles.read(Example.prompts)), maxTokens: 64),
      backend: backend.name, seconds: 0)
    let printed = try report(Example.model, Example.prompts, Self.everything)
    #expect(try comparable(printed) == comparable(JSON(parsing: own.json.text())))
  }

  @Test("a float32 .hoof file gives the folder's numbers to the last digit")
  func container() throws {
    let file = folder.file("m.hoof")
    #expect(Subprocess.hoof(["create", Example.model, "-o", file, "--f32", "-q"]).status == 0)
    let words = ["--sublayers", "--proxies"]
    let (first, second) = (try report(Example.model, Example.prompts, words), try report(file, Example.prompts, words))
    #expect(try comparable(first, without: ["seconds", "model"]) == comparable(second, without: ["seconds", "model"]))
    #expect(second["model"]?["path"]?.string == file)
  }

  @Test("--head-layers studies the heads of those layers only, with the same numbers")
  func headLayers() throws {
    let all = try #require(try report(Example.model, Example.prompts, ["--heads"])["heads"]?.array)
    let some = try #require(try report(Example.model, Example.prompts, ["--head-layers", "1,5-6"])["heads"]?.array)
    #expect(some.count == 24 && some == all.filter { [1, 5, 6].contains($0["layer"]?.int) })
  }

  @Test("greedy and one-shot suggestions; greedy counts interactions, one-shot is the ranking")
  func suggestions() throws {
    let greedy = try report(Example.model, Example.prompts, ["--suggest-drop", "3"])
    let ranking = try report(Example.model, Example.prompts, ["--suggest-drop", "3", "--one-shot"])
    let kl = try #require(greedy["layers"]).numbers("kl")
    let ranked = kl.indices.sorted { kl[$0] < kl[$1] }
    #expect(ranking["suggested_drop"]?.array?.compactMap(\.int) == ranked.prefix(3).sorted())
    #expect(ranking["drop_steps"]?.numbers("kl") == ranked.prefix(3).map { kl[$0] })
    let steps = try #require(greedy["drop_steps"])
    #expect(steps.numbers("layer").map { Int($0) }.sorted() == greedy["suggested_drop"]?.array?.compactMap(\.int))
    #expect(steps.numbers("layer").first == Double(ranked[0]) && steps.numbers("kl").first == kl[ranked[0]])
    // Each removal adds to the damage of those before it, which the ranking does not see.
    #expect(zip(steps.numbers("kl"), steps.numbers("kl").dropFirst()).allSatisfy(<) && steps.numbers("kl")[2] > kl[ranked[2]])
  }

  @Test("mean ablation says so and gives other numbers")
  func mean() throws {
    let words = ["--sublayers", "--heads"]
    let (zero, mean) = (
      try report(Example.model, Example.prompts, words), try report(Example.model, Example.prompts, words + ["--ablation", "mean"])
    )
    #expect(mean["ablation"] == "mean" && mean["baseline"] == zero["baseline"])
    for section in ["layers", "sublayers", "heads"] {
      let pairs = zip(try #require(zero[section]).numbers("kl"), try #require(mean[section]).numbers("kl"))
      #expect(pairs.filter { $0 == $1 }.isEmpty && pairs.allSatisfy { $1.isFinite && $1 >= 0 })
    }
  }

  @Test("create drops the layers a report suggests, and the result inspects and ablates")
  func pipeline() throws {
    let (file, cut) = (folder.file("r.json"), folder.file("cut.hoof"))
    #expect(ablate(Example.model, Example.prompts, ["--suggest-drop", "2", "-o", file]).status == 0)
    let suggested = try #require(try JSON(parsing: TestFiles.read(file))["suggested_drop"]?.array?.compactMap(\.int))
    #expect(Subprocess.hoof(["create", Example.model, "-o", cut, "--layers", file, "--f32", "-q"]).status == 0)
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", cut, "--json"]).output)
    #expect(seen["original_layers"]?.array?.compactMap(\.int) == (0..<8).filter { !suggested.contains($0) })
    let (before, after) = (try JSON(parsing: TestFiles.read(file)), try report(cut))
    #expect(after["layers"]?.array?.count == 6)
    // The cut model is the one the last step measured.
    let expected = try #require(before["drop_steps"]?.numbers("perplexity").last)
    #expect(abs(try #require(after["baseline"]?["perplexity"]?.double) - expected) < 1e-5 * expected)
  }
}

/// Against the reference numbers of PyTorch, from the folder and from a file, and how far quantised weights agree.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct AblateReferenceTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let prompts = SharedData.path("data/prompts.json")

  @Test("folder and float32 file reproduce the reference study", arguments: ["stories260K", "talespin-tiny", "talespin-15m"])
  func reference(name: String) throws {
    let model = SharedData.path("models/\(name)")
    let expected = try SharedData.json("reference/\(name)/ablation.json")
    #expect(Subprocess.hoof(["create", model, "-o", folder.file("m.hoof"), "--f32", "-q"]).status == 0)
    // Every head of the large model takes half a minute; the library's tests do that.
    let words = ["--sublayers"] + (name == "talespin-15m" ? [] : ["--heads", "--kv-groups"])
    let reports = try [model, folder.file("m.hoof")].map { try report($0, Self.prompts, words) }
    #expect(try comparable(reports[0], without: ["seconds", "model"]) == comparable(reports[1], without: ["seconds", "model"]))
    let own = reports[0]
    func check(_ value: Double?, _ reference: JSON?, _ what: String) {
      guard let value, let reference = reference?.double else {
        Issue.record("\(what) is missing")
        return
      }
      #expect(abs(value - reference) <= 1e-4 * abs(reference), "\(what): \(value) for \(reference)")
    }
    check(own["baseline"]?["perplexity"]?.double, expected["base_ppl"], "baseline")
    #expect(own["calibration"]?["tokens"]?.int == expected["tokens"]?.int)
    func check(_ entry: JSON?, _ reference: JSON?, _ what: String) {
      for (key, theirs) in [("kl", "mean_kl"), ("perplexity", "ppl"), ("top1_agreement", "top1_agree")] {
        check(entry?[key]?.double, reference?[theirs], "\(what) \(key)")
      }
    }
    for (layer, entry) in try #require(expected["layers"]?.array).enumerated() {
      check(own["layers"]?.array?[layer], entry["layer_identity"], "layer \(layer)")
      check(own["sublayers"]?.array?[2 * layer], entry["attn_zero"], "attention \(layer)")
      check(own["sublayers"]?.array?[2 * layer + 1], entry["mlp_zero"], "mlp \(layer)")
    }
    for section in ["heads", "kv_groups"] where own[section] != nil {
      let entries = try #require(expected[section]?.array)
      #expect(own[section]?.array?.count == entries.count)
      for (index, entry) in entries.enumerated() { check(own[section]?.array?[index], entry, "\(section) \(index)") }
    }
  }

  @Test("quantised weights rank the layers as float32 does", arguments: ["talespin-tiny", "talespin-15m"])
  func quantised(name: String) throws {
    let model = SharedData.path("models/\(name)")
    let full = try #require(try report(model, Self.prompts)["layers"]).numbers("kl")
    for (type, least) in [("--q8", 0.99), ("--q4k", -1)] {
      let file = folder.file("m\(type).hoof")
      let made = Subprocess.hoof(["create", model, "-o", file, type, "-q"])
      try #require(made.status == 0, "\(made.errors)")
      let own = try #require(try report(file, Self.prompts)["layers"]).numbers("kl")
      let correlation = try #require(RankCorrelation(own, full))
      print("\(name) \(type): Spearman correlation of layer KL with float32 \(correlation.spearman)")
      #expect(correlation.spearman >= least)
    }
  }
}
