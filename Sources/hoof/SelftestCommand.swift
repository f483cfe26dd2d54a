import Glibc
import JSON
import TensorCore
import TensorTesting
import Terminal

extension Command {
  static let selftest = Command(
    spec: CommandSpec(
      "selftest", summary: "whether the devices here compute right",
      details: """
        Runs every op at some hundred shapes, odd ones and values at the ends of the range included, and compares the results with a plain
        implementation in double precision; watches for writes outside of the results; checks gradients against differences. Every precision
        is tested unless --precision names one. Ends with exit code 1 if anything is wrong.
        """,
      options: [.backends] + CommandOption.computingAnyhow + [
        CommandOption("filter", .string, help: "only the cases whose line has all these words: 'matmul q4_K', 'gradients'"),
        CommandOption("small", help: "only small cases: for compute-sanitizer, or a quick look"),
        CommandOption("seed", .int(0...Int.max), help: "of the inputs (default: 1, as in hoof's own tests)"),
        .json, .quiet,
      ],
      examples: [
        .init("hoof selftest --backend cuda", "after a new driver, on a new machine"),
        .init("compute-sanitizer hoof selftest --backend cuda --small --filter attention", "every memory access of some kernels watched"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      let reports = try SelfTestRun(arguments).run()
      try Output.write(
        arguments.has("json") ? JSON.array(reports.map(\.json)).text(pretty: true) + "\n" : reports.map(\.text).joined(separator: "\n"))
      let failures = reports.reduce(0) { $0 + $1.failures }
      if failures > 0 { throw CommandError("\(failures) of \(reports.reduce(0) { $0 + $1.cases }) cases are wrong") }
    })
}

/// One `hoof selftest`: which cases on which backends in which precision.
private struct SelfTestRun {
  private let arguments: Arguments
  private let backends: [OpenedBackend]

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let precisions = arguments.has("precision") ? nil : Precision.allCases
    backends = try OpenedBackend.all(arguments, precisions: precisions)
  }

  func run() throws -> [SelfTestReport] {
    let filter = arguments.string("filter") ?? ""
    let threads = arguments.int("threads") ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    let tests = backends.map {
      SelfTest($0.backend, precision: $0.precision, matching: filter, small: arguments.has("small"), threads: threads)
    }
    let total = tests.reduce(0) { $0 + $1.count }
    if total == 0 { throw UsageError(command: "selftest", "--filter: no case has all the words of '\(filter)'") }
    let progress = Progress("self-test", total: Double(total), unit: .items("cases"), quiet: arguments.has("quiet"))
    defer { progress.finish() }
    var reports: [SelfTestReport] = []
    for (opened, test) in zip(backends, tests) {
      let groups = test.run(
        seed: UInt64(arguments.int("seed") ?? 1), progress: { progress.advance(by: 1, label: "\(opened.label): \($0)") },
        while: { !Interrupt.isRequested })
      reports.append(SelfTestReport(opened: opened, groups: groups))
    }
    try Interrupt.check()
    return reports
  }
}

private struct SelfTestReport {
  let opened: OpenedBackend
  let groups: [SelfTest.Group]

  var cases: Int { groups.reduce(0) { $0 + $1.cases } }
  var failures: Int { groups.reduce(0) { $0 + $1.failures } }

  /// A line for each group, and under it everything that is wrong.
  var text: String {
    let verdict = failures == 0 ? "all \(cases) cases agree" : "\(failures) of \(cases) cases are WRONG"
    var text = "\(opened.label): \(verdict)\n"
    for group in groups {
      let state = group.failures == 0 ? "agrees" : "WRONG in \(group.failures)"
      let worst = group.worst > 0 ? ", largest error \(group.worst.scientific) (\(group.worstCase))" : ""
      let count = "\(group.cases)".padded(to: 4, left: true) + (group.cases == 1 ? " case " : " cases")
      text += "  \(group.name.padded(to: 11))  \(count)  \(state)\(worst)\n"
      for complaint in group.complaints { text += "    \(complaint)\n" }
    }
    return text
  }

  var json: JSON {
    [
      "backend": .string(opened.name), "device": .string(opened.backend.name), "precision": .string(opened.precision.rawValue),
      "cases": .int(cases), "failures": .int(failures),
      "groups": .array(
        groups.map {
          [
            "group": .string($0.name), "cases": .int($0.cases), "failures": .int($0.failures), "largest_error": .double($0.worst),
            "largest_error_case": .string($0.worstCase), "complaints": .array($0.complaints.map { .string($0) }),
          ]
        }),
    ]
  }
}
