import Formats
import JSON
import TestSupport
import Testing

/// `hoof finetune` as a user runs it, on the example model.
struct FinetuneCommandTests {
  let folder: TemporaryFolder
  let data: String

  init() throws {
    folder = try TemporaryFolder()
    data = try folder.write("data.jsonl", FinetuneExample.lines)
  }

  private func finetune(_ words: [String], model: [String] = [Example.model], output: String = "out.hoof", steps: Int = 6) -> Subprocess {
    Subprocess.hoof(
      ["finetune"] + model + FinetuneExample.words(data: data, output: folder.file(output), steps: steps) + words)
  }

  private func json(_ run: Subprocess) throws -> JSON {
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  @Test("a model learns, is written with its story, and nothing else is left but the log")
  func complete() throws {
    let run = finetune(["-q", "--eval-split", "0.2", "--eval-every", "2", "--html", folder.file("loss.html")])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(folder.names() == ["data.jsonl", "loss.html", "out.hoof", "out.log.jsonl"])
    let log = try folder.lines("out.log.jsonl")
    let losses = log.compactMap { $0["loss"]?.double }
    let heldOut = log.compactMap { $0["held_out_loss"]?.double }
    #expect(log.compactMap { $0["loss"] == nil ? nil : $0["step"]?.int } == Array(1...6))
    #expect(log.compactMap { $0["held_out_loss"] == nil ? nil : $0["step"]?.int } == [0, 2, 4, 6])
    // The first step of a warm-up has rate 0, as in transformers.
    #expect(log[1]["lr"] == 0.0 && log[2]["lr"]?.double == 1e-3)
    #expect(losses[5] < 0.7 * losses[0] && heldOut[3] < 0.7 * heldOut[0], "\(losses), held out \(heldOut)")
    #expect(run.output.contains("held-out loss") && run.output.contains("tokens/s"), "\(run.output)")

    let seen = try JSON(parsing: Subprocess.hoof(["inspect", folder.file("out.hoof"), "--json"]).output)
    let entry = try #require(seen["history"]?.array?.last)
    #expect(entry["method"] == "finetune" && entry["steps"] == 6 && entry["learning_rate"]?.double == 1e-3)
    #expect(entry["data"]?.string == SHA256.hex(of: Array(FinetuneExample.lines.utf8)))
    #expect(entry["held_out_loss"]?.double == heldOut[3] && entry["held_out_loss_before"]?.double == heldOut[0])
    let text = Subprocess.hoof(["inspect", folder.file("out.hoof")])
    #expect(text.output.contains("1. finetune: "), "\(text.output)")
    // Types, tokenizer and everything else are the model's own, so that the next command goes on with it.
    let source = try ModelSource.open(path: folder.file("out.hoof"))
    let before = try ModelSource.open(path: Example.model)
    #expect(
      source.tensors.mapValues(\.dtype).filter { $0.value != .f32 }
        == before.tensors.mapValues(\.dtype).filter { $0.key.contains("proj") || $0.key.contains("embed") })
    #expect(source.tokenizer == before.tokenizer && source.chatTemplate == before.chatTemplate)
    let page = String(decoding: try folder.read("loss.html"), as: UTF8.self)
    #expect(page.contains("<svg") && page.contains("held out") && !page.contains("<script"))
  }

  @Test("the best state on held-out texts is what is written")
  func keepBest() throws {
    // A rate so high that ten examples are learned by heart at once: the best state is an early one.
    let words = ["-q", "--json", "--eval-split", "0.3", "--eval-every", "1", "--keep-best", "--schedule", "constant", "--lr", "0.003"]
    let result = try json(finetune(words, steps: 8))
    let heldOut = try folder.lines("out.log.jsonl").compactMap { $0["held_out_loss"]?.double }
    let best = try #require(heldOut.indices.min { heldOut[$0] < heldOut[$1] })
    #expect(best < 8 && result["best_step"]?.int == best && result["held_out_loss"]?.double == heldOut[best], "\(heldOut)")
    let again = try json(finetune(words.filter { $0 != "--keep-best" } + ["--steps", "\(best)"], output: "short.hoof", steps: best))
    #expect(again["held_out_loss"]?.double == heldOut[best])
    let (kept, short) = (try weights("out.hoof"), try weights("short.hoof"))
    #expect(kept == short)
  }

  private func weights(_ name: String) throws -> [String: [UInt8]] {
    try ModelSource.open(path: folder.file(name)).tensors.mapValues { Array($0.bytes) }
  }

  @Test("a dry run tells what would be trained, with an example, and writes nothing")
  func dryRun() throws {
    let run = finetune(["-q", "--dry-run"])
    #expect(run.status == 0 && run.output.hasPrefix("would train\n"), "\(run.errors)")
    #expect(run.output.contains(" of them scored (>)") && run.output.contains("\n> ") && run.output.contains("moments"), "\(run.output)")
    let plan = try json(finetune(["-q", "--dry-run", "--json"]))
    let bytes = try #require(plan["bytes"])
    let parameters = try #require(plan["trained_parameters"]?.int)
    #expect(bytes["trained"]?.int == 4 * parameters && bytes["gradients"]?.int == 4 * parameters && bytes["moments"]?.int == 8 * parameters)
    #expect(folder.names() == ["data.jsonl"])
  }

  @Test("a new model is trained from a config, the same one from the same seed")
  func scratch() throws {
    let words = ["--init", Example.model + "/config.json", "--tokenizer", Example.model + "/tokenizer.json", "-q", "--json"]
    let result = try json(finetune(words, model: [], steps: 8))
    let losses = try folder.lines("out.log.jsonl").compactMap { $0["loss"]?.double }
    // ln 1024 is what guessing costs.
    #expect(abs(losses[0] - 6.93) < 0.2 && losses[7] < losses[0] - 1, "\(losses)")
    #expect(result["method"] == "train")
    let source = try ModelSource.open(path: folder.file("out.hoof"))
    #expect(source.tensors[TensorName.embedding]?.dtype == .f32 && source.tokenizer != nil)
    _ = try json(finetune(words, model: [], output: "again.hoof", steps: 8))
    #expect(try folder.read("out.hoof") == folder.read("again.hoof"))
    _ = try json(finetune(words + ["--seed", "1"], model: [], output: "other.hoof", steps: 8))
    #expect(try folder.read("out.hoof") != folder.read("other.hoof"))
    let both = finetune(words)
    #expect(both.status == 2 && both.errors.contains("--init"), "\(both.errors)")
  }

  @Test("batches of a step act as one large batch, and recomputed layers change nothing")
  func equivalences() throws {
    let whole = try json(finetune(["-q", "--json", "--batch", "6"], steps: 3))
    let parts = try json(finetune(["-q", "--json", "--batch", "2", "--accumulate", "3"], output: "parts.hoof", steps: 3))
    // Sums in another order.
    #expect(abs(whole["loss"]!.double! / parts["loss"]!.double! - 1) < 1e-5)
    _ = try json(finetune(["-q", "--json", "--checkpoint-activations", "on", "--batch", "6"], output: "again.hoof", steps: 3))
    #expect(try folder.read("out.hoof") == folder.read("again.hoof"))
  }
}
