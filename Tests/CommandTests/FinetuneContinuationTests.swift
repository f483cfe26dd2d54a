import Glibc
import JSON
import TestSupport
import Testing

/// Runs that end early, as processes: killed, interrupted, gone on with; and what must not be gone on with.
struct FinetuneContinuationTests {
  let folder: TemporaryFolder
  let data: String
  static let steps = 24

  init() throws {
    folder = try TemporaryFolder()
    data = try folder.write("data.jsonl", FinetuneExample.lines)
  }

  /// Saves on every step, measures, keeps the best.
  private func words(_ output: String, steps: Int = Self.steps) -> [String] {
    ["finetune", Example.model] + FinetuneExample.words(data: data, output: folder.file(output), steps: steps)
      + ["-q", "--save-every", "1", "--eval-split", "0.2", "--eval-every", "3", "--keep-best", "--weight-decay", "0.1"]
  }

  private func whole(_ more: [String] = []) throws -> [UInt8] {
    let run = Subprocess.hoof(words("whole.hoof") + more)
    try #require(run.status == 0, "\(run.errors)")
    return try folder.read("whole.hoof")
  }

  /// Runs the program until its log has some lines, then sends it a signal; its exit code as text.
  private func stop(with signal: String, lines: Int, _ more: [String] = []) -> Subprocess {
    let words = (words("out.hoof") + more).map { "'\($0)'" }.joined(separator: " ")
    // A shell's background jobs ignore Ctrl-C otherwise.
    return Subprocess.shell(
      """
      cd '\(folder.path)'; env --default-signal=INT "$HOOF" \(words) > out & process=$!
      while [ "$(cat out.log.jsonl 2>/dev/null | wc -l)" -lt \(lines) ] && kill -0 $process; do sleep 0.002; done
      kill -\(signal) $process; wait $process; echo $?
      """)
  }

  /// Lines without what depends on the clock and the machine.
  private func log(_ name: String) throws -> [JSON] {
    try folder.lines(name).map { line in
      var object = line.object ?? [:]
      for name in ["seconds", "memory"] { object[name] = nil }
      return .object(object)
    }
  }

  @Test(
    "a run that is killed again and again ends with the very same file as one that is not",
    arguments: [[], ["--optimizer", "adamw8bit"], ["--lora-rank", "4", "--lora-dropout", "0.2", "--f32"]])
  func kill(more: [String]) throws {
    let expected = try whole(more)
    var random = SystemRandomNumberGenerator()
    var resume = more
    var kills = 0
    for round in 1...4 {
      let lines = Int.random(in: 2...5, using: &random) + round * 4
      if stop(with: "KILL", lines: lines, resume).output == "137\n" { kills += 1 }
      if access(folder.file("out.hoof.checkpoint"), F_OK) == 0 {
        let stale = Subprocess.hoof(words("out.hoof") + more)
        #expect(stale.status == 1 && stale.errors.contains("--resume"), "\(stale.errors)")
      }
      resume = more + ["--resume"]
    }
    let last = Subprocess.hoof(words("out.hoof") + more + ["--resume"])
    #expect(last.status == 0, "\(last.errors)")
    #expect(kills >= 3)
    #expect(try folder.read("out.hoof") == expected)
    #expect(try log("out.log.jsonl") == log("whole.log.jsonl"))
    #expect(folder.names() == ["data.jsonl", "out", "out.hoof", "out.log.jsonl", "whole.hoof", "whole.log.jsonl"])
  }

  @Test("Ctrl-C saves, ends with 130, says how to go on, and the run goes on to the same file")
  func interrupt() throws {
    let stopped = stop(with: "INT", lines: 7)
    #expect(stopped.output == "130\n")
    #expect(stopped.errors.contains("hoof: interrupted; step ") && stopped.errors.contains("--resume"), "\(stopped.errors)")
    #expect(folder.names() == ["data.jsonl", "out", "out.hoof.checkpoint", "out.log.jsonl"])
    let checkpoint = try folder.read("out.hoof.checkpoint")

    let stale = Subprocess.hoof(words("out.hoof"))
    #expect(stale.status == 1 && stale.errors.split(separator: "\n").count == 1 && stale.errors.contains("--resume"), "\(stale.errors)")
    func refusal(_ words: [String]) -> String {
      let run = Subprocess.hoof(words + ["--resume"])
      #expect(run.status == 1 && run.errors.split(separator: "\n").count == 1, "\(run.errors)")
      return run.errors
    }
    #expect(refusal(words("out.hoof") + ["--lr", "2e-3"]).contains("belongs to another run: its lr was 0.001, and is 0.002 now"))
    #expect(refusal(words("out.hoof", steps: 30)).contains("its steps was 24, and is 30 now"))
    let other = try folder.write("other.jsonl", FinetuneExample.lines + FinetuneExample.lines)
    #expect(refusal(words("out.hoof") + ["--data", other]).contains("its data was "))
    let cut = folder.file("cut.hoof")
    #expect(Subprocess.hoof(["create", Example.model, "-o", cut, "--drop-layers", "3", "-q"]).status == 0)
    #expect(refusal(words("out.hoof").map { $0 == Example.model ? cut : $0 }).contains("its model was "))
    #expect(try folder.read("out.hoof.checkpoint") == checkpoint)

    try folder.write("broken.hoof.checkpoint", Array(checkpoint.dropLast(1000)))
    #expect(refusal(words("broken.hoof")).contains("broken.hoof.checkpoint: has another length than it says"))
    var damaged = checkpoint
    damaged[damaged.count / 2] ^= 1
    try folder.write("damaged.hoof.checkpoint", damaged)
    #expect(refusal(words("damaged.hoof")).contains("the file is damaged"))

    #expect(Subprocess.hoof(words("out.hoof") + ["--resume"]).status == 0)
    #expect(try folder.read("out.hoof") == whole())
  }

  @Test("when the disk is full the checkpoint before stays, and the work is told to be there")
  func fullDisk() throws {
    #expect(stop(with: "INT", lines: 7).output == "130\n")
    let checkpoint = try folder.read("out.hoof.checkpoint")
    // A limit on the size of files acts as a disk with no room for them.
    let line = (words("out.hoof") + ["--resume"]).filter { $0 != "-q" }.map { "'\($0)'" }.joined(separator: " ")
    let full = Subprocess.shell("trap '' XFSZ; ulimit -f 200; \"$HOOF\" \(line)")
    #expect(full.status == 1, "\(full.errors)")
    #expect(full.errors.contains("was not saved: ") && full.errors.contains("the one before stays"), "\(full.errors)")
    #expect(try folder.read("out.hoof.checkpoint") == checkpoint)
    #expect(!folder.names().contains("out.hoof"))
    #expect(Subprocess.hoof(words("out.hoof") + ["--resume"]).status == 0)
    #expect(try folder.read("out.hoof") == whole())
  }
}
