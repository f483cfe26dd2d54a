import BackendCPU
import JSON
import TensorCore
import TensorTesting
import Terminal

extension Command {
  static let bench = Command(
    spec: CommandSpec(
      "bench", summary: "how fast the ops run here, against the roofs of this machine",
      details: """
        Times every op at sizes of real models: median and best time, GB/s, GFLOP/s, and the share of the nearest roof (memory or sgemm),
        which is measured through the same backend in the same run. On the CPU the matrix products are also run beside plain OpenBLAS.
        --ops is what there is to measure so far and may be left out.
        """,
      options: [
        CommandOption("ops", help: "time ops"),
        CommandOption(
          "backend", .string, placeholder: "LIST", environment: "HOOF_BACKEND", help: "as in cpu,cuda (default: all that open)"),
        .threads,
        CommandOption("filter", .string, help: "only the cases whose line has all these words: 'matmul q4_K', 'blas'"),
        CommandOption("seconds", .double(0.001...60), help: "time for the repetitions of one case (default: 0.3)"),
        .output("write the results (JSON) here"), .force, .json, .quiet,
      ],
      examples: [
        .init("hoof bench --ops", "every op on every backend that opens"),
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
  let backends: [any ComputeBackend]
  let benchmark: OpBenchmark
  let comparisons: [BLASComparison]
  let arguments: Arguments

  struct Results {
    var report: OpBenchmarkReport?
    var comparisons: [BLASComparison.Result] = []
  }

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let filter = arguments.string("filter") ?? ""
    let seconds = arguments.double("seconds") ?? 0.3
    // What will not be written must not be found out after minutes of work.
    if let path = arguments.string("output") { try AtomicFile.check(path, force: arguments.has("force")) }
    backends = try BenchRun.open(arguments)
    benchmark = OpBenchmark(matching: filter, secondsPerCase: seconds)
    let cpu = backends.lazy.compactMap { $0 as? CPUBackend }.first
    comparisons = cpu.map { BLASComparison.all(on: $0, seconds: seconds).filter { OpBenchmark.matches($0.description, filter) } } ?? []
    if benchmark.cases.isEmpty, comparisons.isEmpty {
      throw UsageError(command: "bench", "--filter: no case has all the words of '\(filter)'")
    }
  }

  func run() throws -> Results {
    let steps = backends.count * (benchmark.cases.count + 1) + comparisons.count
    let progress = Progress("op benchmark", total: Double(steps), unit: .items("cases"), quiet: arguments.has("quiet"))
    defer { progress.finish() }
    var results = Results()
    if !benchmark.cases.isEmpty {
      do throws(BackendError) {
        results.report = try benchmark.report(
          on: backends, progress: { progress.advance(by: 1, label: $0) }, while: { !Interrupt.isRequested })
      } catch {
        throw CommandError("the benchmark failed: \(error)")
      }
    }
    for comparison in comparisons where !Interrupt.isRequested {
      progress.advance(by: 1, label: comparison.description)
      do throws(BackendError) { results.comparisons.append(try comparison.run()) } catch {
        throw CommandError("the benchmark failed: \(error)")
      }
    }
    try Interrupt.check(saved: "no results were written")
    return results
  }

  private static func open(_ arguments: Arguments) throws -> [any ComputeBackend] {
    let asked = arguments.string("backend") ?? "auto"
    let options = BackendRegistry.Options(threads: arguments.int("threads"))
    if asked == "auto" {
      var opened: [any ComputeBackend] = []
      for entry in registry.entries {
        do throws(BackendError) {
          opened.append(try entry.open(options))
        } catch {
          if !arguments.has("quiet") { Output.note("hoof: not on \(entry.name): \(error)") }
        }
      }
      guard !opened.isEmpty else { throw CommandError("no backend opens here", advice: "'hoof backends' tells why") }
      return opened
    }
    let names = asked.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    for name in names where !registry.names.contains(name) {
      let hint = UsageError.suggestion(for: name, in: registry.names).map { "; did you mean '\($0)'?" } ?? ""
      throw UsageError(command: "bench", "--backend: expected some of \(registry.names.joined(separator: ",")), not '\(name)'\(hint)")
    }
    if Set(names).count < names.count { throw UsageError(command: "bench", "--backend: '\(asked)' names a backend twice") }
    return try names.map { name throws(CommandError) in
      do throws(BackendError) {
        return try registry.open(name, options: options).backend
      } catch {
        throw CommandError("cannot open the backend '\(name)': \(error)", advice: "'hoof backends' lists what opens here")
      }
    }
  }
}

extension BenchRun.Results {
  var text: String {
    [report?.table(), comparisons.isEmpty ? nil : BLASComparison.table(comparisons)].compactMap(\.self).joined(separator: "\n")
  }

  /// The report of the ops, with "blas" beside its rows.
  var json: JSON {
    var object = report?.json().object ?? ["format": "hoof-op-benchmark", "version": 1]
    if !comparisons.isEmpty { object["blas"] = .array(comparisons.map(\.json)) }
    return .object(object)
  }
}
