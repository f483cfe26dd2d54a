import JSON
import TestSupport
import Testing

/// What goes wrong on machines with GPUs, through `hoof` on the CUDA emulator: little memory, a lost device, an old driver, a second GPU.
@Suite(.enabled(if: EmulatorLibrary.isHere, "\(EmulatorLibrary.absent)"), .serialized) struct EmulatedWeatherTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("prompts.txt", "Once upon\nthere was\nThe dog\nran home\n")
    let made = Subprocess.hoof(["random-model", "--shape", "tiny", "--dtype", "f32", "-o", folder.file("tiny"), "-q"])
    try #require(made.status == 0, "\(made.errors)")
  }

  /// A little memory means several groups of prompts, so that a study has a middle.
  private func ablate(_ more: [String], memory: String = "200K") -> [String] {
    let files = [folder.file("tiny"), "--calibration", folder.file("prompts.txt")]
    return ["ablate"] + files + ["--sublayers", "--memory", memory, "--precision", "f32", "--cublas", "off"] + more
  }

  /// What the kernels do is for other tests.
  private func gpu(_ settings: [String: String] = [:]) throws -> EmulatedGPU {
    try EmulatedGPU(settings.merging(["HOOF_EMULATOR_CHECKS": "none"]) { $1 })
  }

  private func undisturbed(_ words: [String]) throws -> JSON {
    let run = try gpu().hoof(words + ["--json", "-q"])
    try #require(run.status == 0, "\(run.errors)")
    return try JSON(parsing: run.output)
  }

  // MARK: Which device

  static let obstacles: [([String: String], String)] = [
    (["HOOF_EMULATOR_DEVICES": "0"], "the NVIDIA driver sees no GPU"),
    (["HOOF_EMULATOR_DRIVER": "12000"], "driver 525 (CUDA 12.0) is too old: the kernels need CUDA 12.1, driver 530 or newer"),
    (["HOOF_EMULATOR_CAPABILITY": "75"], "has compute capability 7.5; the kernels need 8.0 (A100) or newer"),
    (["HOOF_EMULATOR_MEMORY": "800000"], "the model needs "),
  ]

  @Test("a GPU that cannot be used: auto computes on the CPU and says why, cuda is one error with the reason", arguments: obstacles)
  func unusable(settings: [String: String], reason: String) throws {
    let device = try gpu(settings)
    let fallback = device.hoof(ablate(["--threads", "1"]))
    #expect(fallback.status == 0 && fallback.output.contains("\nlayer  KL, nats"), "\(fallback.errors)")
    #expect(fallback.errors.contains("hoof: computing on cpu") && fallback.errors.contains("(not cuda: "), "\(fallback.errors)")
    #expect(fallback.errors.contains(reason), "\(fallback.errors)")
    let demanded = device.hoof(ablate(["--backend", "cuda"]))
    #expect(demanded.status == 1 && demanded.output.isEmpty && demanded.errors.contains(reason), "\(demanded.errors)")
    #expect(demanded.errors.split(separator: "\n").count == 1, "\(demanded.errors)")
  }

  @Test("of two GPUs --device takes the second and names it, a third is refused, CUDA_VISIBLE_DEVICES hides the first")
  func devices() throws {
    let device = try gpu(["HOOF_EMULATOR_DEVICES": "2"])
    let second = device.hoof(ablate(["--device", "1"]))
    #expect(second.status == 0 && second.errors.contains("hoof: computing on cuda:1 (hoof CUDA emulator, sm_90, f32)"), "\(second.errors)")
    let third = device.hoof(ablate(["--device", "2"]))
    let reason = "there is no GPU 2: the driver sees 2, numbered from 0 (CUDA_VISIBLE_DEVICES chooses among them)"
    #expect(third.status == 1 && third.errors.contains(reason), "\(third.errors)")
    let hidden = device.hoof(ablate(["--device", "1"]), environment: ["CUDA_VISIBLE_DEVICES": "1"])
    #expect(hidden.status == 1 && hidden.errors.contains("there is no GPU 1: the driver sees 1"), "\(hidden.errors)")
    let count = { (environment: [String: String]) in
      try JSON(parsing: device.hoof(["backends", "--json"], environment: environment).output).array?.filter { $0["name"] == "cuda" }.count
    }
    #expect(try count([:]) == 2 && count(["CUDA_VISIBLE_DEVICES": "1"]) == 1)
  }

  // MARK: In the middle of a study

  @Test("memory that runs out in the middle: smaller batches, the same numbers, and a note")
  func littleMemory() throws {
    try folder.write("prompts.txt", "Once upon a time\nthere was a fox.\nThe dog\nran home to sleep\n")
    let words = ablate(["--heads", "--backend", "cuda"], memory: "64M")
    let run = try gpu(["HOOF_EMULATOR_MEMORY": "1500000"]).hoof(words + ["--json"])
    try #require(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("hoof: out of memory: going on with batches of "), "\(run.errors)")
    let found = EmulatedAblationTests.exact.differences(try JSON(parsing: run.output), from: try undisturbed(words))
    #expect(found.complaints.isEmpty)
  }

  @Test(
    "a device lost in the middle: one error that names the call, the journal stays, and --resume goes on to the same report",
    arguments: [("cuLaunchKernel", 250), ("cuMemcpyDtoHAsync_v2", 28), ("cuMemAllocAsync", 450)])
  func lost(call: String, count: Int) throws {
    let report = folder.file("r.json")
    let run = try gpu(["HOOF_EMULATOR_FAIL": "\(call):\(count):719"]).hoof(ablate(["--backend", "cuda", "-o", report, "-q"]))
    #expect(run.status == 1 && run.output.isEmpty && run.errors.split(separator: "\n").count == 1, "\(run.errors)")
    #expect(run.errors.contains(call.prefix { $0 != "_" }) && run.errors.contains("CUDA_ERROR_LAUNCH_FAILED"), "\(run.errors)")
    #expect(run.errors.contains("--resume"), "\(run.errors)")
    #expect(folder.names() == ["prompts.txt", "r.json.journal", "tiny"])
    let finished = try gpu().hoof(ablate(["--backend", "cuda", "-o", report, "--resume"]))
    #expect(finished.status == 0 && folder.names() == ["prompts.txt", "r.json", "tiny"], "\(finished.errors)")
    let pieces = finished.errors.split(separator: "\n").compactMap { $0.contains("pieces") ? Int($0.split(separator: " ")[1]) : nil }
    #expect((pieces.first ?? 0) > 0, "\(finished.errors)")
    #expect(try comparable(JSON(parsing: folder.read("r.json"))) == comparable(undisturbed(ablate(["--backend", "cuda"]))))
  }

  @Test("Ctrl-C in the middle ends with 130, keeps the journal and no half report")
  func interrupt() throws {
    let device = try gpu()
    let words = ablate(["--backend", "cuda", "-o", "r.json", "-q"]).map { "'\($0)'" }.joined(separator: " ")
    // A shell's background jobs ignore Ctrl-C otherwise.
    let stopped = Subprocess.shell(
      """
      cd '\(folder.path)'; HOOF_CUDA_DRIVER='\(device.library.path)' env --default-signal=INT "$HOOF" \(words) & process=$!
      while [ "$(cat r.json.journal 2>/dev/null | wc -l)" -lt 3 ] && kill -0 $process; do sleep 0.01; done
      kill -INT $process; wait $process; echo $?
      """)
    #expect(stopped.output == "130\n", "\(stopped.errors)")
    #expect(stopped.errors.contains("hoof: interrupted; ") && stopped.errors.contains("--resume"), "\(stopped.errors)")
    #expect(folder.names() == ["prompts.txt", "r.json.journal", "tiny"])
    let finished = device.hoof(ablate(["--backend", "cuda", "-o", folder.file("r.json"), "--resume", "-q"]))
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(try comparable(JSON(parsing: folder.read("r.json"))) == comparable(undisturbed(ablate(["--backend", "cuda"]))))
  }
}
