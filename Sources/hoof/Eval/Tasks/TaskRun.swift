import Evaluation
import Formats
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
    let names = arguments.string("tasks")!.split(separator: ",").map { String($0).filter { $0 != " " } }
    if names == ["list"] { return try Output.write(catalogue.listing) }
    Interrupt.catchSignals()
    let paths = arguments.all("MODEL")
    guard !paths.isEmpty else { throw UsageError(command: "eval", "MODEL is missing") }
    guard let folder = arguments.string("data") else {
      throw UsageError(command: "eval", "--data DIR is missing: where the benchmarks' files are")
    }
    try checkOutputs(
      ["output", "html", "samples"].compactMap { arguments.string($0) }, inputs: paths + [arguments.string("against")].compactMap { $0 },
      force: arguments.has("force"))
    let selection: TaskSelection
    do throws(TaskError) { selection = try catalogue.select(names, in: folder) } catch { throw CommandError("\(error)") }
    if !isQuiet { for note in selection.notes + selection.tasks.flatMap(\.notes) { Output.note("hoof: \(note)") } }

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
      limit: options.limit, dataFolder: folder)
    (conditions.draws, conditions.fewShotSeed) = (options.draws, Int(options.seed))
    try write(TaskReport(models: models, groups: selection.groups, conditions: conditions, isCompared: base != nil))
  }

  private func write(_ report: TaskReport) throws {
    let force = arguments.has("force")
    let json = report.json.text(pretty: true) + "\n"
    if let path = arguments.string("output") { try AtomicFile.write(json, to: path, force: force) }
    if let path = arguments.string("html") { try AtomicFile.write(report.page, to: path, force: force) }
    try Output.write(arguments.has("json") ? json : report.text)
  }

  private func failing<T>(_ body: () throws(FormatError) -> T) throws(CommandError) -> T {
    do throws(FormatError) { return try body() } catch { throw CommandError(error.description) }
  }
}
