import Formats
import Surgery
import Tasks
import Terminal
import Tokenization
import Transformer

/// What `hoof compare --tasks` puts to every model.
struct ComparedTasks {
  private let selection: TaskSelection
  private let options: TaskRunner.Options
  private let arguments: Arguments

  /// nil where no tasks were named.
  init?(_ arguments: Arguments) throws {
    guard let list = arguments.string("tasks") else {
      if let option = ["task-data", "limit", "num-fewshot"].first(where: arguments.has) {
        throw UsageError(command: "compare", "--\(option) goes with --tasks")
      }
      return nil
    }
    self.arguments = arguments
    var options = TaskRunner.Options()
    (options.limit, options.shots) = (arguments.int("limit"), arguments.int("num-fewshot"))
    // A column has no room for errors: what counts is whether a model differs from the base.
    options.draws = 0
    self.options = options
    selection = try TaskSelection(list, in: arguments.string("task-data"), option: "task-data", TaskCatalogue(), arguments)
  }

  /// By model; the first is the base.
  func figures(of roster: Roster, _ source: ModelSource, _ tokenizer: Tokenizer, quiet: Bool) throws -> [[TaskFigure]] {
    let encoder = try RequestEncoder(source, tokenizer, arguments)
    let questions = selection.tasks.reduce(0) { $0 + min(options.limit ?? $1.count, $1.count) }
    let progress = Progress("asking", total: Double(questions * roster.models.count), unit: .items("questions"), quiet: quiet)
    defer { progress.finish() }
    var models: [TaskReport.Model] = []
    for (model, name) in zip(roster.models, roster.names) {
      var own = encoder
      own.maxLength = min(encoder.maxLength, model.config.contextLength)
      var runner = TaskRunner(
        [Examinee(model: model, encoder: own, ends: Set(source.config.eosTokens.map(Int32.init)))], options: options)
      var results: [TaskResult] = []
      for task in selection.tasks {
        do {
          results += try runner.run(task, caches: [nil]) { event in
            switch event {
            case .questions(let count): progress.advance(by: count, label: "\(name), \(task.definition.name)")
            case .note(let note): progress.note("hoof: \(note)")
            case .resampling: break
            }
            try Interrupt.check(saved: CompareRun.nothingWritten)
          }.map(\.result)
        } catch let error as TaskRunError {
          throw CommandError("\(name): \(error)")
        } catch let error as FormatError {
          throw CommandError(error.description)
        }
      }
      models.append(TaskReport.Model(name: name, path: name, fingerprint: name, seconds: 0, results: results))
    }
    return ComparedTasks.figures(models, selection.groups)
  }

  /// The main metric of whatever is in no group.
  private static func figures(_ models: [TaskReport.Model], _ groups: [TaskGroup]) -> [[TaskFigure]] {
    let conditions = TaskReport.Conditions(program: "", backend: "", precision: "", dataFolder: "", draws: 0)
    // The base against itself has the base's figures.
    let report = TaskReport(models: [models[0]] + models, groups: groups, conditions: conditions, isCompared: true)
    return report.pairings.enumerated().map { index, pairing in
      pairing.rows.filter { $0.depth == 0 }.compactMap { row in
        row.differences.first.map { pair in
          TaskFigure(
            task: row.name, metric: pair.metric, value: pair.cut,
            change: index == 0
              ? nil
              : .init(lost: pair.lost, won: pair.won, pValue: pair.adjustedPValue ?? pair.pValue, verdict: pair.verdict.rawValue))
        }
      }
    }
  }
}

extension TaskSelection {
  /// What the user named, opened; what a user should know goes to standard error.
  /// - Parameter option: that names the folder.
  init(_ list: String, in folder: String?, option: String, _ catalogue: TaskCatalogue, _ arguments: Arguments) throws {
    let names = list.split(separator: ",").map { String($0).filter { $0 != " " } }
    do throws(TaskError) { self = try catalogue.select(names, in: folder) } catch {
      if case .noFolder(let task) = error {
        throw UsageError(command: arguments.command, "--\(option) DIR is missing: where the files of \(task) are")
      }
      throw CommandError("\(error)")
    }
    guard !arguments.has("quiet") else { return }
    let shots = arguments.int("num-fewshot")
    let examples = tasks.filter { (shots ?? $0.definition.shots ?? 0) > 0 }.compactMap(\.exampleNote)
    for note in notes + examples { Output.note("hoof: \(note)") }
  }
}
