import JSON
import TestSupport
import Testing

/// A few steps of training through the CUDA kernels, on the emulator, against the CPU's.
@Suite(.enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)"), .serialized) struct EmulatedFinetuneTests {
  let folder: TemporaryFolder
  let data: String

  init() throws {
    folder = try TemporaryFolder()
    data = try folder.write("data.jsonl", FinetuneExample.lines)
  }

  /// Losses and gradient norms by step.
  private func numbers(_ name: String) throws -> [[Double]] {
    try folder.lines(name).compactMap { line in
      guard let loss = line["loss"]?.double, let norm = line["grad_norm"]?.double else { return nil }
      return [loss, norm]
    }
  }

  private func train(
    _ words: [String], steps: Int = 2, precision: String, within limit: Double, checks: String = "none"
  ) throws {
    func run(_ backend: String, _ hoof: ([String]) -> Subprocess) throws -> [[Double]] {
      let words =
        ["finetune", Example.model] + FinetuneExample.words(data: data, output: folder.file(backend + ".hoof"), steps: steps)
        + ["--batch", "1", "--warmup", "0", "--backend", backend, "--precision", precision, "-q"] + words
      let run = hoof(words)
      try #require(run.status == 0, "\(run.errors)")
      return try numbers(backend + ".log.jsonl")
    }
    let gpu = try EmulatedGPU(["HOOF_EMULATOR_CAPABILITY": "80", "HOOF_EMULATOR_CHECKS": checks])
    let (own, other) = (try run("cuda") { gpu.hoof($0) }, try run("cpu") { Subprocess.hoof($0) })
    #expect(own.count == steps && other.count == steps)
    for (a, b) in zip(own.joined(), other.joined()) { #expect(abs(a / b - 1) < limit, "\(own) on the emulator, \(other) on the CPU") }
  }

  /// Sums in another order; a step of Adam turns what is nearly zero by as much as what is large, so that the difference grows with the steps.
  @Test("in float32 the emulator trains as the CPU does")
  func exact() throws { try train([], precision: "f32", within: 1e-4, checks: "memory,races") }

  /// The CPU rounds where the kernels do, but for what attention rounds inside. Gradient norms are sums of such: 1 % of them.
  @Test("with bf16 activations and masters as well, as far as rounding goes")
  func rounded() throws { try train(["--checkpoint-activations", "on"], precision: "bf16", within: 0.02) }

  @Test("an adapter beside a frozen model")
  func adapter() throws { try train(["--lora-rank", "4"], precision: "f32", within: 1e-4) }

  @Test("a run that is interrupted on a device goes on to the same file")
  func resume() throws {
    let gpu = try EmulatedGPU(["HOOF_EMULATOR_CAPABILITY": "80", "HOOF_EMULATOR_CHECKS": "none"])
    func words(_ output: String) -> [String] {
      ["finetune", Example.model] + FinetuneExample.words(data: data, output: folder.file(output), steps: 5)
        + ["--batch", "1", "--backend", "cuda", "--precision", "bf16", "-q", "--save-every", "1"]
    }
    let whole = gpu.hoof(words("whole.hoof"))
    try #require(whole.status == 0, "\(whole.errors)")
    let line = words("out.hoof").map { "'\($0)'" }.joined(separator: " ")
    let killed = Subprocess.shell(
      """
      cd '\(folder.path)'; HOOF_CUDA_DRIVER='\(gpu.library.path)' "$HOOF" \(line) & process=$!
      while [ ! -e out.hoof.checkpoint ] && kill -0 $process; do sleep 0.005; done; kill -KILL $process; wait $process; echo $?
      """)
    #expect(killed.output == "137\n", "\(killed.errors)")
    let rest = gpu.hoof(words("out.hoof") + ["--resume"])
    #expect(rest.status == 0, "\(rest.errors)")
    #expect(try folder.read("out.hoof") == folder.read("whole.hoof"))
  }
}
