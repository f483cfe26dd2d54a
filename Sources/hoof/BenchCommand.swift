import BackendCPU
import JSON
import TensorCore
import TensorTesting
import Terminal

extension Command {
  static let bench = Command(
    spec: CommandSpec(
      "bench", summary: "how fast ops and models run here, against the roofs of this machine",
      details: """
        Without MODEL (or with --ops) times every op at sizes of real models: median and best time, GB/s, GFLOP/s, the share of the nearest
        roof (memory or matrix products), which is measured through the same backend in the same run, and the error against a plain
        implementation in double precision, a normalised mean square. On the CPU the matrix products are also run beside plain OpenBLAS.
        With MODEL compares the backends at reading a prompt, at writing on for one and for eight sequences, and at a layer of an ablation
        batch; the error is that of the logits against the CPU in f32, relative to their size.
        """,
      positionals: [Positional("MODEL", .optional, help: ".hoof file or Hugging Face folder: time passes of a model")],
      options: [CommandOption("ops", help: "time ops, which is done anyway where there is no MODEL"), .backends]
        + CommandOption.computingAnyhow
        + [
          CommandOption("filter", .string, help: "only the cases whose line has all these words: 'matmul q4_K', 'blas', 'decode'"),
          CommandOption("prompt", .int(1...1_000_000), help: "tokens of the prompt that MODEL reads (default: 512)"),
          CommandOption("seconds", .double(0.001...60), help: "time for the repetitions of one case (default: 0.3)"),
          .profile, .output("write the results (JSON) here"), .force, .json, .quiet,
        ],
      examples: [
        .init("hoof bench --ops", "every op on every backend that opens"),
        .init("hoof bench --backend cpu,cuda base.hoof", "what a GPU gains with a model"),
        .init("hoof bench --ops --backend cpu --threads 1 --filter 'matmul q8_0' -o ops.json", "some on one core, for a program to read"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      let results = try BenchRun(arguments).run()
      let text = results.json.text(pretty: true) + "\n"
      if let path = arguments.string("output") { try AtomicFile.write(text, to: path, force: arguments.has("force")) }
      try Output.write(arguments.has("json") ? text : results.text)
    })
}

/// One `hoof bench`: which cases on which backends.
private struct BenchRun {
  let arguments: Arguments
  let backends: [OpenedBackend]
  let benchmark: OpBenchmark
  let comparisons: [BLASComparison]
  let model: ModelBenchmark?

  struct Results {
    var report: OpBenchmarkReport?
    var comparisons: [BLASComparison.Result] = []
    var model: ModelBenchmark.Report?
  }

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let filter = arguments.string("filter") ?? ""
    let seconds = arguments.double("seconds") ?? 0.3
    // What will not be written must not be found out after minutes of work.
    if let path = arguments.string("output") { try AtomicFile.check(path, force: arguments.has("force")) }
    if arguments.has("profile"), arguments.first("MODEL") == nil {
      throw UsageError(command: "bench", "--profile goes with a MODEL: ops are timed one by one anyway")
    }
    let source = try arguments.first("MODEL").map(Models.open)
    backends = try OpenedBackend.all(arguments)
    model = try source.map {
      try ModelBenchmark(
        $0, matching: filter, promptLength: arguments.int("prompt") ?? 512, seconds: seconds, profiled: arguments.has("profile"))
    }
    let timesOps = source == nil || arguments.has("ops")
    benchmark = OpBenchmark(
      timesOps ? OpCatalogue.benchmark : [], mixed: timesOps ? OpCatalogue.mixedBenchmark : [], matching: filter, secondsPerCase: seconds)
    let cpu = timesOps ? backends.lazy.compactMap { $0.backend as? CPUBackend }.first : nil
    comparisons = cpu.map { BLASComparison.all(on: $0, seconds: seconds).filter { OpBenchmark.matches($0.description, filter) } } ?? []
    if opCases == 0, comparisons.isEmpty, model?.works.isEmpty ?? true {
      throw UsageError(command: "bench", "--filter: no case has all the words of '\(filter)'")
    }
  }

  private var opCases: Int { backends.reduce(0) { $0 + benchmark.cases(for: $1.backend).count } }

  func run() throws -> Results {
    let steps = opCases + backends.count + comparisons.count + (model?.steps(on: backends) ?? 0)
    let progress = Progress("benchmark", total: Double(steps), unit: .items("cases"), quiet: arguments.has("quiet"))
    defer { progress.finish() }
    func advance(_ label: String) { progress.advance(by: 1, label: label) }
    var results = Results()
    do throws(BackendError) {
      if let model {
        results.model = try model.report(on: backends, progress: advance, while: { !Interrupt.isRequested })
      }
      if opCases > 0 {
        results.report = try benchmark.report(on: backends.map(\.backend), progress: advance, while: { !Interrupt.isRequested })
      }
      for comparison in comparisons where !Interrupt.isRequested {
        advance(comparison.description)
        results.comparisons.append(try comparison.run())
      }
    } catch {
      throw CommandError("the benchmark failed: \(error)")
    }
    try Interrupt.check(saved: "no results were written")
    return results
  }
}

extension BenchRun.Results {
  var text: String {
    [model?.text, report?.table(), comparisons.isEmpty ? nil : BLASComparison.table(comparisons)].compactMap(\.self)
      .joined(separator: "\n")
  }

  /// The report of the ops, with "blas" and "model" beside its rows.
  var json: JSON {
    var object = report?.json().object ?? ["format": "hoof-op-benchmark", "version": 1]
    if !comparisons.isEmpty { object["blas"] = .array(comparisons.map(\.json)) }
    if let model { object["model"] = model.json }
    return .object(object)
  }
}
