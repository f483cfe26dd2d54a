import Evaluation
import Formats
import Glibc
import JSON
import Tasks
import TensorCore
import Terminal
import Transformer

/// One run of `hoof eval MODEL… --tasks LIST --data DIR`: opens and checks everything, asks, and writes tables, report and page.
struct TaskRun {
  private let arguments: Arguments
  private let options: TaskRunner.Options
  private var isQuiet: Bool { arguments.has("quiet") }

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    var options = TaskRunner.Options()
    options.shots = arguments.int("num-fewshot")
    options.limit = arguments.int("limit")
    options.seed = UInt32(arguments.int("fewshot-seed") ?? 1234)
    options.draws = arguments.int("bootstrap-iters") ?? Aggregation.harnessDraws
    self.options = options
  }

  func run() throws {
    let catalogue = try failing { () throws(FormatError) in try TaskCatalogue(userFiles: arguments.strings("task-file")) }
    let list = arguments.string("tasks")!
    if list == "list" { return try Output.write(catalogue.listing) }
    let start = time(nil)
    Interrupt.catchSignals()
    let paths = arguments.all("MODEL")
    guard !paths.isEmpty else { throw UsageError(command: "eval", "MODEL is missing") }
    try checkOutputs(
      ["output", "html", "samples"].compactMap { arguments.string($0) }, inputs: paths + [arguments.string("against")].compactMap { $0 },
      force: arguments.has("force"))
    let folder = arguments.string("data")
    let selection = try TaskSelection(list, in: folder, option: "data", catalogue, arguments)

    let base = try arguments.string("against").map { try Candidate($0, arguments) }
    let candidates = try paths.map { try Candidate($0, arguments) }
    let backend = try openBackend(arguments, for: (base ?? candidates[0]).source)
    let exam = try Examination(selection, options: options, arguments, on: backend)
    let models: [TaskReport.Model]
    do {
      models = try exam.models(candidates, against: base)
    } catch let error as TaskRunError {
      throw CommandError("\(error)")
    } catch let error as FormatError {
      throw CommandError(error.description)
    }
    if let profile = (backend as? ProfilingBackend)?.profile() { Output.note(profile.table) }
    var conditions = TaskReport.Conditions(
      program: "hoof \(Program.version)", backend: backend.name, precision: arguments.string("precision") ?? backend.activations.name,
      limit: options.limit, dataFolder: folder ?? "")
    (conditions.draws, conditions.fewShotSeed, conditions.date) = (options.draws, Int(options.seed), Double(start))
    try write(TaskReport(models: models, groups: selection.groups, conditions: conditions, isCompared: base != nil))
  }

  private func write(_ report: TaskReport) throws {
    let force = arguments.has("force")
    let json = report.json.text(pretty: true) + "\n"
    if let path = arguments.string("output") { try AtomicFile.write(json, to: path, force: force) }
    if let path = arguments.string("html") { try AtomicFile.write(TaskReportPage.html(report), to: path, force: force) }
    try Output.write(arguments.has("json") ? json : TaskRun.text(report))
  }

  /// Tables as lm-evaluation-harness prints them, and what differs from the base.
  private static func text(_ report: TaskReport) -> String {
    let conditions = report.conditions
    let tables = report.models.map { model in
      let limit = conditions.limit.map { ", at most \($0) questions of each task" } ?? ""
      let head = "\(model.path) (\(conditions.backend), \(conditions.precision))\(limit), \(TimeSpan(model.seconds))\n"
      return head + report.table(of: model) + (report.groupTable(of: model).map { "\n" + $0 } ?? "")
    }
    return (tables + report.pairings.map(\.text)).joined(separator: "\n")
  }

  private func failing<T>(_ body: () throws(FormatError) -> T) throws(CommandError) -> T {
    do throws(FormatError) { return try body() } catch { throw CommandError(error.description) }
  }
}
