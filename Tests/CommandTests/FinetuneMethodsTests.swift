import Formats
import JSON
import TestSupport
import Testing

/// What `hoof finetune` can train, and what it can learn from.
struct FinetuneMethodsTests {
  let folder: TemporaryFolder
  let data: String

  init() throws {
    folder = try TemporaryFolder()
    data = try folder.write("data.jsonl", FinetuneExample.lines)
  }

  private func finetune(_ model: String, _ output: String, _ words: [String], steps: Int = 4, data: String? = nil) throws -> JSON {
    let run = Subprocess.hoof(
      ["finetune", model] + FinetuneExample.words(data: data ?? self.data, output: folder.file(output), steps: steps) + ["-q", "--json"]
        + words)
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  private func hoof(_ words: String...) throws {
    let run = Subprocess.hoof(words + ["-q"])
    try #require(run.status == 0, "\(run.errors)")
  }

  private func tensors(_ path: String) throws -> [String: [UInt8]] {
    try ModelSource.open(path: path).tensors.mapValues { Array($0.bytes) }
  }

  /// Names of matrices whose bytes differ; norms are f32 in a file of ours, whatever they were.
  private func changed(_ a: String, _ b: String) throws -> Set<String> {
    let (a, b) = (try tensors(a), try tensors(b))
    return Set(a.keys.filter { a[$0]?.count == b[$0]?.count && a[$0] != b[$0] })
  }

  /// The example model without its layer 3, in a file of ours.
  private func cut(patched: Bool = false) throws -> String {
    let path = folder.file("cut.hoof")
    if patched {
      try hoof(
        "prune", Example.model, "--calibration", Example.prompts, "--method", "angular", "--drop", "2", "--patch", "linear", "-o", path)
    } else {
      try hoof("create", Example.model, "-o", path, "--drop-layers", "3,4")
    }
    return path
  }

  @Test("frozen tensors keep every byte, all others change")
  func freeze() throws {
    let base = folder.file("base.hoof")
    try hoof("create", Example.model, "-o", base, "--f32")
    _ = try finetune(base, "out.hoof", ["--freeze", "model.embed_tokens*,*norm*,*.layers.2.*"])
    let changed = try changed(base, folder.file("out.hoof"))
    let all = try tensors(base).keys
    #expect(changed == Set(all.filter { !$0.contains("embed") && !$0.contains("norm") && !$0.contains(".layers.2.") }))
    let typo = Subprocess.hoof(
      ["finetune", base] + FinetuneExample.words(data: data, output: folder.file("no.hoof")) + ["--freeze", "*attention.q*", "-q"])
    #expect(typo.status == 1 && typo.errors.contains("no tensor has a name like '*attention.q*'"), "\(typo.errors)")
  }

  @Test("an adapter is written for PEFT, goes on, and merges into a model")
  func adapter() throws {
    let lora = ["--lora-rank", "4", "--lora-targets", "q_proj,down_proj", "--lora-dropout", "0.1", "--batch", "10"]
    let first = try finetune(Example.model, "lora", lora)
    #expect(first["trained"]?.string?.contains("adapter of rank 4, alpha 8") == true)
    #expect(TestFiles.names(in: folder.file("lora")) == ["adapter_config.json", "adapter_model.safetensors"])
    let losses = try folder.lines("lora.log.jsonl").compactMap { $0["loss"]?.double }
    #expect(losses.count == 4 && losses[3] < losses[0])

    _ = try finetune(Example.model, "merged.hoof", lora + ["--f32"])
    try hoof("create", Example.model, "-o", folder.file("by-hand.hoof"), "--merge-adapter", folder.file("lora"), "--f32")
    #expect(try changed(folder.file("merged.hoof"), folder.file("by-hand.hoof")).isEmpty)
    let base = folder.file("base.hoof")
    try hoof("create", Example.model, "-o", base, "--f32")
    let touched = try changed(base, folder.file("merged.hoof"))
    #expect(touched.count == 16 && touched.allSatisfy { $0.contains("q_proj") || $0.contains("down_proj") }, "\(touched)")
    #expect(!folder.names().contains { $0.hasSuffix(".adapter") })

    // What goes on begins where the other ended: its first loss is of the merged weights. A folder may be written with its slash.
    _ = try finetune(Example.model, "further/", ["--adapter", folder.file("lora"), "--batch", "10"], steps: 2)
    _ = try finetune(folder.file("merged.hoof"), "model.hoof", ["--batch", "10"], steps: 2)
    let (further, model) = (
      try folder.lines("further.log.jsonl")[0]["loss"]!.double!, try folder.lines("model.log.jsonl")[0]["loss"]!.double!
    )
    // Dropout is the adapter's own, and stays on.
    #expect(abs(further / model - 1) < 0.2, "\(further), merged \(model)")
  }

  @Test("a quantised base keeps its bytes while an adapter learns beside it")
  func quantised() throws {
    let base = folder.file("base.hoof")
    try hoof("create", Example.model, "-o", base, "--q8")
    let before = try TestFiles.read(base)
    _ = try finetune(base, "lora", ["--lora-rank", "2"])
    #expect(try TestFiles.read(base) == before)
    let result = try finetune(base, "whole.hoof", [])
    #expect(result["loss"]!.double! < result["loss_before"]!.double!)
    #expect(try ModelSource.open(path: folder.file("whole.hoof")).tensors[TensorName.layer(0, .gate)]?.dtype == .q8_0)
  }

  @Test("a cut model learns from the uncut one what it says")
  func teacher() throws {
    let path = try cut()
    let words = ["--teacher", Example.model, "--schedule", "constant", "--batch", "10", "--warmup", "0"]
    _ = try finetune(path, "out.hoof", words + ["--hidden-weight", "10"], steps: 8)
    let log = try folder.lines("out.log.jsonl")
    let (divergences, streams) = (log.compactMap { $0["kl"]?.double }, log.compactMap { $0["streams"]?.double })
    #expect(divergences.count == 8 && divergences[7] < 0.8 * divergences[0], "\(divergences)")
    #expect(streams.count == 8 && streams[7] < streams[0], "\(streams)")
    for line in log {
      let sum = line["kl"]!.double! + line["streams"]!.double!
      #expect(abs(line["loss"]!.double! / sum - 1) < 1e-6)
    }
    // A teacher of itself has nothing to say.
    _ = try finetune(Example.model, "same.hoof", ["--teacher", Example.model, "--warmup", "0"], steps: 1)
    #expect(abs(try folder.lines("same.log.jsonl")[0]["kl"]!.double!) < 1e-5)

    let other = folder.file("other")
    try hoof("random-model", "--shape", "tiny", "-o", other)
    let refused = Subprocess.hoof(
      ["finetune", path] + FinetuneExample.words(data: data, output: folder.file("no.hoof")) + ["--teacher", other, "-q"])
    #expect(refused.status == 1 && refused.errors.contains("its vocabulary of 512"), "\(refused.errors)")
  }

  @Test("patches alone, or the layers around a cut, and nothing else")
  func parts() throws {
    let path = try cut(patched: true)
    _ = try finetune(path, "patches.hoof", ["--patch-only"])
    let patches = try changed(path, folder.file("patches.hoof"))
    let all = Set(try tensors(path).keys.filter { $0.hasSuffix("patch.weight") })
    #expect(!all.isEmpty && patches == all, "\(patches)")

    let bare = folder.file("bare.hoof")
    try hoof("create", Example.model, "-o", bare, "--drop-layers", "3,4", "--f32")
    _ = try finetune(bare, "near.hoof", ["--layers-near-cut"])
    let near = try changed(bare, folder.file("near.hoof"))
    #expect(!near.isEmpty && near.allSatisfy { $0.contains(".layers.2.") || $0.contains(".layers.3.") }, "\(near)")
    _ = try finetune(bare, "nearer.hoof", ["--layers-near-cut", "--layers-each-side", "2"])
    let more = try changed(bare, folder.file("nearer.hoof"))
    #expect(more.count == 2 * near.count && (1...4).allSatisfy { layer in more.contains { $0.contains(".layers.\(layer).") } }, "\(more)")
    let whole = Subprocess.hoof(
      ["finetune", Example.model] + FinetuneExample.words(data: data, output: folder.file("no.hoof")) + ["--patch-only", "-q"])
    #expect(whole.status == 1 && whole.errors.contains("it has no patch to train"), "\(whole.errors)")
  }

  @Test("answers that the uncut model writes are kept, and learned from")
  func selfData() throws {
    let path = try cut()
    // What a teller of stories goes on with; it ends at once behind a question.
    let beginnings = ["fox", "cow", "hen", "cat", "dog"].map {
      #"{"prompt": "Once upon a time, the \#($0) went to", "completion": " bed."}"#
    }
    let data = try folder.write("stories.jsonl", beginnings.joined(separator: "\n"))
    _ = try finetune(path, "out.hoof", ["--teacher", Example.model, "--self-data", "--max-tokens", "48"], data: data)
    let answers = try folder.lines("out.hoof.answers.jsonl")
    #expect(answers.count > 0 && answers.allSatisfy { $0["ids"]?.array?.isEmpty == false && $0["answer"]?.string != nil })
    let source = try ModelSource.open(path: folder.file("out.hoof"))
    #expect(source.history.last?["data"]?.string == SHA256.hex(of: try folder.read("out.hoof.answers.jsonl")))
  }
}
