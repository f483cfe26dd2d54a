import Formats
import Glibc
import JSON
import TestSupport
import Testing

/// Bad input of `hoof ablate`: exit code, one line that names file and field, no output, inputs untouched.
struct AblateRefusalTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Fewer embeddings than the example's tokenizer has ids.
  private static let small = LlamaConfig(
    hiddenSize: 32, headDim: 8, vocabularySize: 96, contextLength: 128, tiedEmbeddings: true, bosToken: 1, eosTokens: [2],
    layers: Array(repeating: .init(queryHeads: 4, keyHeads: 2, intermediateSize: 64), count: 2))

  /// Runs `hoof ablate` with -o and --html into an empty folder and expects it to be refused.
  private func expectRefusal(
    _ model: String, prompts: String = Example.prompts, words: [String] = [], status: Int32 = 1, saying reasons: String...,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let inputs = inputFiles(model) + [prompts]
    let before = inputs.map { try? TestFiles.read($0) }
    let out = try TemporaryFolder()
    let run = ablate(model, prompts, ["-o", out.file("r.json"), "--html", out.file("r.html")] + words)
    #expect(run.status == status && run.output.isEmpty, "\(run.status): \(run.errors)", sourceLocation: location)
    for reason in reasons { #expect(run.errors.contains(reason), "\(run.errors)", sourceLocation: location) }
    // A usage error has a second line that points to the help.
    #expect(run.errors.split(separator: "\n").count == Int(status), "\(run.errors)", sourceLocation: location)
    #expect(out.names().isEmpty && inputs.map { try? TestFiles.read($0) } == before, sourceLocation: location)
  }

  private func inputFiles(_ model: String) -> [String] {
    let names = TestFiles.names(in: model)
    return names.isEmpty ? [model] : names.map { "\(model)/\($0)" }
  }

  // MARK: Models

  @Test("a model that is not there, or is no model")
  func missingModel() throws {
    try expectRefusal("/nowhere/model", saying: "/nowhere/model: No such file")
    try expectRefusal(folder.path, saying: "\(folder.path)/config.json")
    try expectRefusal(try folder.write("m.hoof", "not a model"), saying: "m.hoof: is neither")
    try expectRefusal(try folder.write("empty.hoof", ""), saying: "empty.hoof: is empty")
  }

  @Test("a model without a tokenizer")
  func noTokenizer() throws {
    let model = try Example.copy(without: ["tokenizer.json"])
    try expectRefusal(model.path, saying: "the model has no tokenizer", model.path, "tokenizer.json")
  }

  @Test("a tokenizer that does not fit the vocabulary, or is damaged")
  func wrongTokenizer() throws {
    try RandomModel.write(config: Self.small, dtype: .f32, seed: 1, to: folder.path)
    try folder.write("tokenizer.json", try TestFiles.read("\(Example.model)/tokenizer.json"))
    try expectRefusal(folder.path, saying: folder.path, "tokenizer.json: does not fit the model", "96")
    try folder.write("tokenizer.json", "{\"model\":")
    try expectRefusal(folder.path, saying: "\(folder.path): tokenizer: not valid JSON")
  }

  @Test("weights cut short", arguments: [0, 4, 2000, 100_000, 3_420_143])
  func truncated(length: Int) throws {
    let model = try Example.copy()
    #expect(truncate(model.file("model.safetensors"), off_t(length)) == 0)
    try expectRefusal(model.path, saying: "\(model.path)/model.safetensors: ")
  }

  @Test("a .hoof file cut short")
  func damagedFile() throws {
    let file = folder.file("m.hoof")
    #expect(Subprocess.hoof(["create", Example.model, "-o", file, "-q"]).status == 0)
    let whole = try folder.read("m.hoof")
    for length in [4, 1000, whole.count / 2, whole.count - 1] {
      try expectRefusal(try folder.write("m.hoof", Array(whole.prefix(length))), saying: "m.hoof: ")
    }
  }

  @Test("a missing shard is named")
  func missingShard() throws {
    try RandomModel.write(config: Self.small, dtype: .f32, seed: 1, to: folder.path, shards: 2)
    unlink(folder.file("model-00002-of-00002.safetensors"))
    try expectRefusal(folder.path, saying: "model-00002-of-00002.safetensors")
  }

  @Test("a weight that is not a number is found before the study, in a folder and in a file", arguments: [UInt16(0x7fc0), 0x7f80, 0xff80])
  func notANumber(bits: UInt16) throws {
    let model = try Example.copy()
    var weights = try model.read("model.safetensors")
    // bfloat16, the last weight of the last tensor.
    weights[weights.count - 2] = UInt8(truncatingIfNeeded: bits)
    weights[weights.count - 1] = UInt8(bits >> 8)
    try model.write("model.safetensors", weights)
    try expectRefusal(model.path, saying: "model.safetensors: ", "model.")
    let made = Subprocess.hoof(["create", model.path, "-o", folder.file("m.hoof"), "-q"])
    if made.status == 0 { try expectRefusal(folder.file("m.hoof"), saying: "m.hoof: ", "model.") }
  }

  // MARK: Calibration

  @Test(
    "a calibration file that cannot be read as texts",
    arguments: [
      ("none.txt", nil, ["none.txt: No such file"]), ("a.txt", "", ["a.txt: is empty"]), ("a.txt", "\n \n", ["a.txt: there is no text"]),
      ("a.json", "[]", ["a.json: there is no text"]), ("a.json", "[1]", ["a.json: element 0"]),
      ("a.jsonl", "{\"text\":\"a b\"}\n{", ["a.jsonl: line 2"]),
      ("a.jsonl", #"{"messages":[{"role":"user"}]}"#, ["a.jsonl: line 1: messages"]), ("a.csv", "one", ["a.csv: texts come as .txt"]),
      ("a", "one", ["/a: texts come as .txt"]),
    ] as [(String, String?, [String])])
  func calibration(name: String, text: String?, reasons: [String]) throws {
    if let text { try folder.write(name, text) }
    for reason in reasons { try expectRefusal(Example.model, prompts: folder.file(name), saying: reason) }
  }

  @Test("calibration that is not UTF-8 is refused by line; a folder is no file")
  func encoding() throws {
    try expectRefusal(
      Example.model, prompts: try folder.write("a.txt", Array("fine\n\n".utf8) + [0xc3, 0x28]), saying: "a.txt: line 3: not valid UTF-8")
    try expectRefusal(Example.model, prompts: folder.path, saying: "is a folder")
  }

  @Test("conversations for a model without a chat template")
  func noTemplate() throws {
    let text = #"{"messages":[{"role":"user","content":"Hi"}]}"#
    try expectRefusal(Example.model, prompts: try folder.write("a.jsonl", text), saying: "chat_template: the model has none")
  }

  @Test("prompts longer than the context, whatever asks for them")
  func context() throws {
    try expectRefusal(Example.model, words: ["--max-tokens", "513"], saying: "prompts of 513 tokens", "context of 512", "--max-tokens")
  }

  // MARK: Arguments

  @Test(
    "arguments that cannot be",
    arguments: [
      (["--head-layers", "8"], "--head-layers: there is no layer 8"), (["--head-layers", "2-99"], "--head-layers: there is no layer"),
      (["--head-layers", "x"], "--head-layers"), (["--suggest-drop", "8"], "--suggest-drop 8"),
      (["--suggest-drop", "0"], "--suggest-drop"),
      (["--one-shot"], "--one-shot goes with --suggest-drop"), (["--backend", "tpu"], "--backend"),
      (["--max-tokens", "1"], "--max-tokens"),
      (["--ablation", "none"], "--ablation"), (["--shard", "1/2"], "--shard and --html"), (["--headz"], "did you mean --heads?"),
      ([Example.model], "one model at a time"),
    ])
  func arguments(words: [String], reason: String) throws {
    try expectRefusal(Example.model, words: words, status: 2, saying: reason)
  }

  @Test("--calibration and --resume's output have to be named; report and page apart")
  func missingArguments() throws {
    for (words, reason) in [
      ([Example.model], "--calibration FILE is missing"),
      ([Example.model, "--calibration", Example.prompts, "--resume"], "--resume needs -o"),
      ([], "MODEL"),
    ] {
      let run = Subprocess.hoof(["ablate"] + words)
      #expect(run.status == 2 && run.errors.contains(reason) && run.output.isEmpty, "\(run.errors)")
      #expect(folder.names().isEmpty)
    }
    let same = Subprocess.hoof(
      ["ablate", Example.model, "--calibration", Example.prompts, "-o", folder.file("a"), "--html", folder.path + "/./a"])
    #expect(same.status == 1 && same.errors.contains("two outputs have this name") && folder.names().isEmpty, "\(same.errors)")
  }

  @Test("a backend that does not open here is an error, never another backend", .enabled(if: !TestFiles.exists("/dev/nvidiactl")))
  func backend() throws {
    try expectRefusal(Example.model, words: ["--backend", "cuda"], saying: "cannot open the backend 'cuda'", "hoof backends")
  }

  // MARK: Outputs

  @Test("outputs that exist, in a missing folder, that are folders or inputs", arguments: ["-o", "--html"])
  func outputs(option: String) throws {
    let existing = try folder.write("r.json", "precious")
    let cases: [(path: String, more: [String], reason: String)] = [
      (existing, [], "r.json, --force replaces it"), ("/nowhere/r.json", [], "/nowhere"), (folder.path, ["--force"], "is a folder"),
      (existing + "/r.json", [], "r.json"),
    ]
    for (path, more, reason) in cases {
      let run = ablate(Example.model, Example.prompts, [option, path] + more)
      #expect(run.status == 1 && run.errors.contains(reason) && run.output.isEmpty, "\(run.errors)")
      #expect(run.errors.split(separator: "\n").count == 1)
    }
    let prompts = try folder.write("p.txt", "Once upon a time\n")
    let over = ablate(Example.model, prompts, [option, "\(folder.path)/./p.txt", "--force"])
    #expect(over.status == 1 && over.errors.contains("one of the inputs"), "\(over.errors)")
    #expect(folder.names() == ["p.txt", "r.json"])
    #expect(try folder.read("r.json") == Array("precious".utf8) && folder.read("p.txt") == Array("Once upon a time\n".utf8))
    #expect(ablate(Example.model, prompts, [option, existing, "--force"]).status == 0)
    #expect(try folder.read("r.json").count > 500 && folder.names() == ["p.txt", "r.json"])
  }

  @Test("a folder that may not be written to", .enabled(if: getuid() != 0, "root may write everywhere"))
  func readOnly() {
    chmod(folder.path, 0o500)
    let run = ablate(Example.model, Example.prompts, ["-o", folder.file("r.json")])
    #expect(run.status == 1 && run.errors.contains("Permission denied") && run.errors.contains(folder.path), "\(run.errors)")
    #expect(folder.names().isEmpty)
  }

  /// Where a test may mount, in a namespace of its own.
  static let mounts = Subprocess.shell("unshare -m sh -c 'mount -t tmpfs -o size=64k none /mnt'").status == 0

  @Test(
    "a full disk: an error, no report, and nothing left where nothing was measured", .enabled(if: mounts, "no right to mount a small disk"))
  func fullDisk() throws {
    let words = "ablate '\(Example.model)' --calibration '\(Example.prompts)' -q --heads -o '\(folder.path)/r.json'"
    func run(free: Int) -> Subprocess {
      Subprocess.shell(
        """
        unshare -m sh -c 'mount -t tmpfs -o size=64k none "\(folder.path)" && cd "\(folder.path)" &&
        head -c \(65536 - free) /dev/zero > filler && "$HOOF" \(words.replacingQuotes) > /dev/null; echo $?; ls -A'
        """)
    }
    let full = run(free: 0)
    #expect(full.output == "1\nfiller\n" && full.errors.contains("No space left") && full.errors.contains("r.json"), "\(full)")
    #expect(full.errors.split(separator: "\n").count == 1)
    // Room for the journal's first pieces only: they stay, for --resume.
    let tight = run(free: 8192)
    #expect(tight.output == "1\nfiller\nr.json.journal\n" && tight.errors.contains("No space left"), "\(tight)")
    #expect(tight.errors.split(separator: "\n").count == 1)
  }
}

extension String {
  /// For a line that stands in single quotes already.
  fileprivate var replacingQuotes: String { String(map { $0 == "'" ? "\"" : $0 }) }
}
