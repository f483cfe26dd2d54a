import Glibc
import JSON
import Testing
import TestSupport

@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct ModelCommandTests {
  static let talespin = SharedData.path("models/talespin-15m")
  static let stories = SharedData.path("models/stories260K")
  let scratch: TemporaryFolder

  init() throws { scratch = try TemporaryFolder() }

  func report(_ text: String, as name: String = "report.json") throws -> String { try scratch.write(name, text) }

  @Test("a cut model says which layers it has and where they come from")
  func cut() throws {
    let out = "\(scratch.path)/cut.hoof"
    let made = Subprocess.hoof(["create", Self.talespin, "-o", out, "--q8", "--drop-layers", "4,6", "--json"])
    #expect(made.status == 0, "\(made.errors)")
    #expect(try JSON(parsing: made.output)["after"]?["layers"]?.int == 7)
    let again = Subprocess.hoof(["create", out, "-o", "\(scratch.path)/again.hoof", "--keep-layers", "0,4-6"])
    #expect(again.status == 0 && again.output.contains("dropped     1-3"))
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", "\(scratch.path)/again.hoof", "--verify", "--json"]).output)
    #expect(seen["original_layers"]?.array?.compactMap(\.int) == [0, 5, 7, 8])
    #expect(seen["history"]?.array?.compactMap { $0["method"]?.string } == ["drop-layers", "keep-layers"])
    #expect(seen["verified"]?.bool == true && seen["types"]?["q8_0"] != nil)
    #expect(seen["layers"]?.array?.first?["dtypes"]?["mlp.down_proj"]?.string == "q8_0")
    let text = Subprocess.hoof(["inspect", "\(scratch.path)/again.hoof"]).output
    #expect(text.contains("  1. drop-layers: 9 → 7 layers, kept 0-3, 5, 7-8\n"))
  }

  @Test("inspect gives the numbers of the config and every tensor")
  func inspect() throws {
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", Self.stories, "--json"]).output)
    #expect(seen["parameters"]?.int == 260032 && seen["format"]?.string == "hugging-face")
    #expect(seen["layers"]?.array?.count == 5 && seen["layers"]?.array?[0]["kv_heads"]?.int == 4)
    #expect(seen["tensors"]?.array?.count == 2 + 5 * 9)
    #expect(seen["tokenizer"]?["vocabulary_size"]?.int == 512)
  }

  @Test("a dry run writes nothing and tells the sizes")
  func dryRun() throws {
    let run = Subprocess.hoof(["create", Self.talespin, "--dry-run", "--json", "--f32", "-o", "\(scratch.path)/a.hoof"])
    let plan = try JSON(parsing: run.output)
    #expect(run.status == 0 && scratch.names().isEmpty)
    #expect(plan["before"]?["bytes"]?.int == 31_471_872 && plan["after"]?["bytes"]?.int == 62_943_744)
  }

  @Test("an ablation report's suggestion is dropped, and only if it is about such a model")
  func suggestion() throws {
    let good = try report(#"{"format":"hoof-ablation","version":1,"model":{"layers":9,"fingerprint":"f"},"suggested_drop":[3,4]}"#)
    // Handmade: it cannot know the model's fingerprint.
    let run = Subprocess.hoof(["create", Self.talespin, "-o", "\(scratch.path)/a.hoof", "--layers", good, "--force"])
    #expect(run.status == 0 && run.output.contains("dropped     3-4"))
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", "\(scratch.path)/a.hoof", "--json"]).output)
    #expect(seen["history"]?.array?.first?["measured_on"]?.string == "f")
    let bad = [
      ("{", "not valid JSON"), ("{}", "format: "), (#"{"format":"hoof-ablation","version":2}"#, "version: "),
      (#"{"format":"hoof-ablation","version":1}"#, "suggested_drop: is missing"),
      (#"{"format":"hoof-ablation","version":1,"suggested_drop":[1.5]}"#, "suggested_drop: "),
      (#"{"format":"hoof-ablation","version":1,"suggested_drop":[9]}"#, "layer 9 does not exist"),
      (#"{"format":"hoof-ablation","version":1,"suggested_drop":[0],"model":{"layers":5}}"#, "model.layers: "),
    ]
    for (text, reason) in bad {
      let path = try report(text, as: "bad.json")
      let run = Subprocess.hoof(["create", Self.talespin, "-o", "\(scratch.path)/b.hoof", "--layers", path])
      #expect(run.status == 1 && run.errors.contains("bad.json: ") && run.errors.contains(reason), "\(run.errors)")
      #expect(run.errors.split(separator: "\n").count == 1)
    }
    #expect(!scratch.names().contains("b.hoof"))
  }

  @Test(
    "what cannot be done is refused with one line, and nothing is written",
    arguments: [
      (["create", "MODEL", "-o", "OUT", "--drop-layers", "9"], 1, "--drop-layers: layer 9 does not exist"),
      (["create", "MODEL", "-o", "OUT", "--drop-layers", "0-8"], 1, "must leave at least one"),
      (["create", "MODEL", "-o", "/nowhere/a.hoof"], 1, "/nowhere/a.hoof: cannot be written"),
      (["create", "/nowhere", "-o", "OUT"], 1, "/nowhere: No such file"),
      (["create", "MODEL/config.json", "-o", "OUT"], 1, "config.json: is neither"),
      (["create", "MODEL"], 2, "-o is missing"),
      (["create", "MODEL", "-o", "OUT", "--q8", "--q4k"], 2, "--q8 and --q4k exclude each other"),
      (["create", "MODEL", "-o", "OUT", "--prune-neuron", "0.1"], 2, "did you mean --prune-neurons?"),
      (["inspect", "MODEL/nothing"], 1, "nothing: No such file"),
      (["tokenize", "MODEL", "1 4096", "--decode"], 1, "4096 is not an id"),
    ])
  func refusals(words: [String], status: Int, reason: String) {
    let words = words.map { word in
      word.hasPrefix("MODEL") ? Self.talespin + word.dropFirst(5) : word == "OUT" ? "\(scratch.path)/out.hoof" : word
    }
    let run = Subprocess.hoof(words)
    #expect(run.status == Int32(status) && run.errors.contains(reason), "\(run.status) \(run.errors)")
    #expect(run.errors.split(separator: "\n").count == status && run.output.isEmpty)
    #expect(scratch.names().isEmpty)
  }

  @Test("an existing output is replaced only with --force")
  func force() throws {
    let out = try report("precious", as: "a.hoof")
    let refused = Subprocess.hoof(["create", Self.stories, "-o", out])
    #expect(refused.status == 1 && refused.errors.contains("--force"))
    #expect(try TestFiles.text(out) == "precious")
    #expect(Subprocess.hoof(["create", Self.stories, "-o", out, "--force"]).status == 0)
    #expect(Subprocess.hoof(["inspect", out]).status == 0 && scratch.names() == ["a.hoof"])
  }

  /// The report comes through a pipe, so that the program waits at a known place while the signals arrive.
  @Test("the first signal ends the work cleanly with 130 and no file, the second at once")
  func interrupts() {
    let start =
      "cd '\(scratch.path)'; rm -f p; mkfifo p; \"$HOOF\" create '\(Self.talespin)' -o a.hoof --layers p --force & sleep 0.5; kill -TERM $!"
    let text = #"{"format":"hoof-ablation","version":1,"suggested_drop":[3]}"#
    let once = Subprocess.shell("\(start); sleep 0.2; echo '\(text)' > p; wait $!; echo $?")
    #expect(once.output == "130\n" && once.errors.contains("interrupted; no file was written"), "\(once.errors)")
    let twice = Subprocess.shell("\(start); sleep 0.2; kill -TERM $!; wait $!; echo $?")
    #expect(twice.output == "130\n" && !twice.errors.contains("interrupted;"), "\(twice.errors)")
    #expect(scratch.names() == ["p"])
  }

  /// The program has mapped its input and waits for the report when the file is cut.
  @Test("a model file that becomes shorter while it is read ends the program with one line and no output")
  func truncation() throws {
    let model = try TemporaryFolder()
    for name in ["config.json", "model.safetensors"] { try model.write(name, try TestFiles.read("\(Self.talespin)/\(name)")) }
    let text = #"{"format":"hoof-ablation","version":1,"suggested_drop":[3]}"#
    let run = Subprocess.shell(
      """
      cd '\(scratch.path)'; mkfifo p; "$HOOF" create '\(model.path)' -o a.hoof --layers p --force & sleep 0.5
      truncate -s 100000 '\(model.path)/model.safetensors'; echo '\(text)' > p; wait $!; echo $?
      """)
    #expect(run.output == "1\n" && run.errors.contains("hoof: a model file became shorter while it was read"), "\(run)")
    #expect(!scratch.names().contains("a.hoof"))
  }

  @Test("tokenize agrees with the reference tokenizers and turns ids back", arguments: ["models/talespin-15m", "models/stories260K"])
  func tokenize(model: String) throws {
    let folder = SharedData.path(model)
    let root = try JSON(parsing: TestFiles.read("\(folder)/tokenizer_vectors.json"))
    let vectors = try #require(root.array ?? root["vectors"]?.array)
    let texts = JSON.array(vectors.compactMap { $0["text"] })
    #expect(texts.array!.count > 10)
    let run = Subprocess.hoof(["tokenize", folder, "--json", "--no-bos"], input: texts.text())
    let ids = try #require(try JSON(parsing: run.output).array)
    #expect(ids == vectors.map { $0["ids"]! })
    let begun = try JSON(parsing: Subprocess.hoof(["tokenize", folder, "--json"], input: texts.text()).output).array!
    #expect(zip(begun, ids).allSatisfy { $0.array!.count == $1.array!.count + 1 })
    for (ids, vector) in zip(begun, vectors) where vector["ids_with_special"] != nil { #expect(ids == vector["ids_with_special"]) }
    let back = try JSON(parsing: Subprocess.hoof(["tokenize", folder, "--json", "--decode"], input: run.output).output)
    #expect(back.array?.count == texts.array!.count)
    for (text, vector) in zip(back.array ?? [], vectors) where vector["decoded"] != nil { #expect(text == vector["decoded"]) }
  }

  @Test("one line per token: id and piece")
  func listing() {
    let run = Subprocess.hoof(["tokenize", Self.talespin, "Once upon a time"])
    #expect(run.output == "4090  <|begin_of_text|>\n 440  Once\n 453  Ġupon\n 258  Ġa\n 403  Ġtime\n")
    #expect(Subprocess.hoof(["tokenize", Self.talespin, "--decode"], input: "[440, 453]\n258 403").output == "Once upon a time\n")
  }
}
