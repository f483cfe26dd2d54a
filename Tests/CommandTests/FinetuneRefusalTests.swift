import JSON
import TestSupport
import Testing

/// What `hoof finetune` refuses, in a line that says what, where and what to do, and leaves nothing behind.
struct FinetuneRefusalTests {
  let folder: TemporaryFolder
  let data: String

  init() throws {
    folder = try TemporaryFolder()
    data = try folder.write("data.jsonl", FinetuneExample.lines)
  }

  private func finetune(_ words: [String]) -> Subprocess {
    Subprocess.hoof(["finetune"] + words + ["-q", "--threads", "1"])
  }

  private func expect(_ run: Subprocess, _ status: Int32, _ parts: String..., at location: SourceLocation = #_sourceLocation) {
    #expect(run.status == status, "\(run.errors)", sourceLocation: location)
    for part in parts { #expect(run.errors.contains(part), "\(run.errors)", sourceLocation: location) }
    if status == 1 { #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)", sourceLocation: location) }
  }

  @Test("command lines that mean nothing")
  func usage() {
    let out = folder.file("out.hoof")
    func refused(_ words: [String], _ part: String, at location: SourceLocation = #_sourceLocation) {
      expect(finetune(words), 2, part, at: location)
    }
    let base = [Example.model, "--data", data, "-o", out]
    refused([Example.model, "-o", out], "--data FILE is missing")
    refused([Example.model, "--data", data], "-o is missing")
    refused(["--data", data, "-o", out], "MODEL is missing")
    refused(["--init", "c.json", "--data", data, "-o", out], "--tokenizer FILE")
    refused(base + ["--tokenizer", "t.json"], "--tokenizer goes with --init")
    refused(base + ["--steps", "3", "--epochs", "2"], "exclude each other")
    refused(base + ["--warmup", "fast"], "as in 100 or 3%")
    refused(base + ["--warmup", "10", "--steps", "10"], "leave none of 10")
    refused(base + ["--save-every", "1h"], "as in 500 or 30m")
    refused(base + ["--keep-best"], "--eval-data FILE or --eval-split SHARE is missing")
    refused(base + ["--min-lr", "1e-3", "--lr", "1e-4"], "above the peak")
    refused(base + ["--finish"], "--finish goes with --resume")
    refused(base + ["--lora-alpha", "3"], "--lora-alpha goes with --lora-rank")
    refused(base + ["--lora-rank", "4", "--lora-targets", "q_prj"], "did you mean 'q_proj'?")
    refused(base + ["--lora-rank", "4", "--freeze", "*norm*"], "--freeze is about the model's weights")
    #expect(folder.names() == ["data.jsonl"])
  }

  @Test("data that cannot be learned from")
  func unreadable() throws {
    let out = folder.file("out.hoof")
    func run(_ path: String, _ words: [String] = []) -> Subprocess { finetune([Example.model, "--data", path, "-o", out] + words) }
    expect(run(folder.file("none.jsonl")), 1, "none.jsonl", "No such file")
    expect(run(try folder.write("bad.jsonl", FinetuneExample.lines + "{\"prompt\": \n")), 1, "bad.jsonl", "line 11")
    expect(run(try folder.write("empty.jsonl", #"{"prompt": "a", "completion": ""}"#)), 1, "line 1", "empty")
    let role = #"{"messages": [{"role": "wizard", "content": "a"}, {"role": "assistant", "content": "b"}]}"#
    expect(run(try folder.write("role.jsonl", role)), 1, "line 1", "wizard")
    expect(run(data, ["--max-tokens", "4000"]), 1, "context of 512")
    expect(
      run(data, ["--eval-split", "0.9", "--data", try folder.write("one.txt", "Once upon a time.\n")]), 1, "cannot hold out")
    #expect(!folder.names().contains { $0.hasPrefix("out") })
  }

  @Test("outputs that would overwrite something, and a run that another process is making")
  func outputs() throws {
    let out = try folder.write("out.hoof", "precious")
    expect(finetune([Example.model, "--data", data, "-o", out]), 1, "exists already", "--force")
    expect(finetune([Example.model, "--data", data, "-o", data]), 1, "one of the inputs")
    #expect(try folder.read("out.hoof") == Array("precious".utf8))
    expect(finetune([Example.model, "--data", data, "-o", folder.file("new.hoof"), "--resume", "--finish"]), 1, "no checkpoint to finish")
  }

  @Test("a run that diverges stops, says at which step, and keeps the state before")
  func diverged() throws {
    let out = folder.file("out.hoof")
    let words = [
      Example.model, "--data", data, "-o", out, "--steps", "20", "--lr", "1e15", "--schedule", "constant", "--warmup", "2", "--clip", "0",
    ]
    let run = finetune(words)
    expect(run, 1, "training diverged at step ", "out.hoof.checkpoint", "--resume --finish", "lower --lr")
    #expect(folder.names() == ["data.jsonl", "out.hoof.checkpoint", "out.log.jsonl"])
    #expect(finetune(words + ["--resume"]).errors.contains("diverged at step "))
  }

  @Test("what looks wrong is said, and the run goes on")
  func warnings() throws {
    func notes(_ words: [String], model: [String] = [Example.model]) -> String {
      let run = Subprocess.hoof(
        ["finetune"] + model + ["--data", data, "-o", folder.file("out.hoof"), "--steps", "2", "--warmup", "0", "--force"] + words)
      #expect(run.status == 0, "\(run.errors)")
      return run.errors
    }
    #expect(notes(["--lr", "5e-6", "--lora-rank", "4"]).contains("5e-06 is small for an adapter"))
    #expect(notes(["--lr", "0.01"]).contains("0.01 is large for training all weights"))
    #expect(!notes(["--lr", "1e-5"]).contains("is small for"))
    // A model of random weights knows nothing.
    let random = folder.file("random")
    #expect(Subprocess.hoof(["random-model", "--shape", "tiny", "-o", random, "-q"]).status == 0)
    #expect(notes([], model: [random]).contains("the model knows nothing about these texts"))
  }
}
