import JSON
import TestSupport
import Testing

/// `hoof create --merge-adapter` and `hoof inspect` on a PEFT folder.
@Suite(.enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
struct AdapterCommandTests {
  static let stories = SharedData.path("models/stories260K")
  static let adapter = SharedData.path("reference/stories260K/lora_init")
  let scratch: TemporaryFolder

  init() throws { scratch = try TemporaryFolder() }

  @Test("an adapter goes into the weights, with types and cuts, and the history says so")
  func merges() throws {
    let out = scratch.file("merged.hoof")
    let run = Subprocess.hoof(["create", Self.stories, "-o", out, "--merge-adapter", Self.adapter, "--q8", "--drop-layers", "1"])
    #expect(run.status == 0 && run.errors.contains("28 matrices are q8_0: with the adapter in them"), "\(run.errors)")
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", out, "--verify", "--json"]).output)
    #expect(seen["history"]?.array?.compactMap { $0["method"]?.string } == ["merge-adapter", "drop-layers"])
    #expect(seen["history"]?.array?.first?["rank"]?.int == 4)
    let text = Subprocess.hoof(["inspect", out]).output
    #expect(text.contains("1. merge-adapter: "), "\(text)")
  }

  @Test("inspect says what an adapter is")
  func inspect() throws {
    let text = Subprocess.hoof(["inspect", Self.adapter, "--verify"])
    #expect(text.status == 0 && text.output.contains("q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"), "\(text.errors)")
    let seen = try JSON(parsing: Subprocess.hoof(["inspect", Self.adapter, "--json"]).output)
    #expect(seen["format"]?.string == "peft-lora" && seen["rank"]?.int == 4 && seen["alpha"]?.double == 8)
    #expect(seen["pairs"]?.array?.count == 35 && seen["layers"]?.array?.count == 5 && seen["parameters"]?.int == 23_120)
  }

  @Test("an adapter of another model, and a folder that is none, are refused in one line")
  func refusals() throws {
    let out = scratch.file("merged.hoof")
    for (model, adapter, reason) in [
      (SharedData.path("models/talespin-tiny"), Self.adapter, "base and adapter do not fit"),
      (Self.stories, Self.stories, "adapter_config.json: No such file"),
      (Self.adapter, Self.adapter, "is an adapter, not a model"),
    ] {
      let run = Subprocess.hoof(["create", model, "-o", out, "--merge-adapter", adapter])
      #expect(run.status == 1 && run.errors.contains(reason) && run.errors.split(separator: "\n").count == 1, "\(run.errors)")
      #expect(!TestFiles.exists(out))
    }
  }
}
