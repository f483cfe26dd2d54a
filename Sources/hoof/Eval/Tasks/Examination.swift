import Formats
import JSON
import Tasks
import TensorCore
import Terminal
import Transformer

/// Puts all tasks to all models, one model after another, or to a base and those that are compared with it together.
struct Examination {
  private let selection: TaskSelection
  private let options: TaskRunner.Options
  private let arguments: Arguments
  private let backend: any ComputeBackend
  private let answers: AnswerFolder?

  init(_ selection: TaskSelection, options: TaskRunner.Options, _ arguments: Arguments, on backend: any ComputeBackend) throws {
    (self.selection, self.options, self.arguments, self.backend) = (selection, options, arguments, backend)
    answers = AnswerFolder(arguments, on: backend, options: options)
  }

  private var isQuiet: Bool { arguments.has("quiet") }

  /// What everybody scored, the base first.
  func models(_ candidates: [Candidate], against base: Candidate?) throws -> [TaskReport.Model] {
    let samples = try arguments.string("samples").map { try AtomicWriter($0, force: arguments.has("force")) }
    let rounds = rounds(candidates, against: base)
    if arguments.has("resume") { try checkKept(rounds) }
    let questions = selection.tasks.reduce(0) { $0 + min(options.limit ?? $1.count, $1.count) }
    let progress = Progress("asking", total: Double(questions * rounds.count), unit: .items("questions"), quiet: isQuiet)
    defer { progress.finish() }
    let loaded = try base.map { try $0.examinee(on: backend) }
    let names = TaskReport.distinct(([base].compactMap(\.self) + candidates).map(\.name))
    var models: [TaskReport.Model] = []
    for round in rounds {
      let examinees = try round.map { candidate in
        if let loaded, candidate.path == base?.path { return loaded }
        return try candidate.examinee(on: backend)
      }
      // What the base has answered once counts; beside others it answers again, for how far they are from it.
      let known = round.count > 1 && !models.isEmpty ? 1 : 0
      let reported = Array(names[models.count..<models.count + round.count - known])
      models += try ask(round, examinees, progress, samples, reporting: reported)
    }
    try samples?.commit()
    return models
  }

  /// Who answers together: with the base in front, as many as can be compared with it and have room beside it.
  private func rounds(_ candidates: [Candidate], against base: Candidate?) -> [[Candidate]] {
    guard let base else { return candidates.map { [$0] } }
    var (rounds, room): ([[Candidate]], Int) = ([], 0)
    for candidate in candidates {
      if let difference = candidate.difference(from: base) {
        if !isQuiet { Output.note("hoof: \(candidate.path) and \(base.path) \(difference): no KL between them") }
        // The base comes first in the report.
        if rounds.isEmpty { rounds.append([base]) }
        rounds.append([candidate])
        room = 0
        continue
      }
      if rounds.last?.first?.path == base.path, candidate.greatestBytes <= room {
        rounds[rounds.count - 1].append(candidate)
      } else {
        rounds.append([base, candidate])
        room = backend.memory().free / 2 - base.greatestBytes
      }
      room -= candidate.greatestBytes
    }
    return rounds
  }

  /// Where answers of one of a round to a task are kept.
  private func cache(_ index: Int, of round: [Candidate], _ task: TaskData) -> AnswerCache? {
    // What is written does not depend on who is asked beside.
    let isCompared = index > 0 && task.definition.output != .generate
    return answers?.cache(
      of: round[index], base: isCompared ? round[0] : nil, task, shots: options.shots(task), maxLength: round[0].encoder.maxLength)
  }

  /// --resume goes on with something: a mistyped option would otherwise start hours of work anew.
  private func checkKept(_ rounds: [[Candidate]]) throws {
    for round in rounds {
      for task in selection.tasks {
        for index in round.indices { if let cache = cache(index, of: round, task), cache.count > 0 { return } }
      }
    }
    throw CommandError(
      "--resume: no answers of these models to these questions are kept\(answers.map { " in \($0.path)" } ?? "")",
      advice: "name the models, tasks, data and options of the interrupted run, or ask everything anew without --resume")
  }

  /// - Parameter names: of the round's last candidates, which are reported.
  private func ask(
    _ round: [Candidate], _ examinees: [Examinee], _ progress: Progress, _ samples: AtomicWriter?, reporting names: [String]
  ) throws -> [TaskReport.Model] {
    let first = round.count - names.count
    var runner = TaskRunner(examinees, options: options)
    let start = ContinuousClock.now
    var results = Array(repeating: [TaskResult](), count: round.count)
    var divergences = Array(repeating: [String: TaskReport.Divergence](), count: round.count)
    for task in selection.tasks {
      let caches = round.indices.map { cache($0, of: round, task) }
      note(caches, runner.asked(task), task, progress)
      let lines = try samples.map { _ in try HarnessSamples(task) }
      let outcomes = try runner.run(task, caches: caches) { event in
        switch event {
        case .questions(let count): progress.advance(by: count, label: task.definition.name)
        case .note(let note): progress.note("hoof: \(note)")
        case .resampling(let share):
          progress.advance(by: 0, label: "\(task.definition.name): standard error, \(Int(share * 100)) %")
        }
        guard Interrupt.isRequested else { return }
        let isKept = !results[0].isEmpty || caches.contains { ($0?.count ?? 0) > 0 }
        try Interrupt.check(
          saved: answers == nil || !isKept
            ? "nothing was kept" : "answers so far are kept: the same command goes on from them, with --resume or without")
      } record: { record in
        guard let samples, let lines else { return }
        for (index, name) in zip(first..., names) {
          for line in try lines.lines(record, of: index, model: name) { try samples.append(line.text() + "\n") }
        }
      }
      for (index, outcome) in outcomes.enumerated() {
        results[index].append(outcome.result)
        if let mean = outcome.divergence {
          divergences[index][task.definition.name] = TaskReport.Divergence(mean: mean, positions: outcome.positions)
        }
      }
    }
    // Nobody can say who took which part of what was asked together; the shares of those that are reported add up to what the clock says.
    let seconds = (ContinuousClock.now - start) / .seconds(1) / Double(names.count)
    return zip(first..., names).map { index, name in
      let candidate = round[index]
      return TaskReport.Model(
        name: name, path: candidate.path, fingerprint: candidate.fingerprint, parameters: candidate.source.config.parameterCount,
        type: candidate.weightType, maxLength: candidate.encoder.maxLength, seconds: seconds, results: results[index],
        divergences: divergences[index])
    }
  }

  private func note(_ caches: [AnswerCache?], _ asked: Int, _ task: TaskData, _ progress: Progress) {
    guard !isQuiet, let kept = caches.map({ $0?.count ?? 0 }).min(), kept > 0, kept < asked else { return }
    progress.note("hoof: \(task.definition.name): \(kept) of \(asked) questions were answered before")
  }
}
