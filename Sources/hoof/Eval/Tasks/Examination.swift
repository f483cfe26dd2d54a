import Formats
import JSON
import Tasks
import TensorCore
import Terminal
import Transformer

/// Puts all tasks to all models, one model after another; a base stays loaded beside each that is compared with it.
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
    let rounds = try rounds(candidates, against: base)
    let questions = selection.tasks.reduce(0) { $0 + min(options.limit ?? $1.count, $1.count) }
    let progress = Progress("asking", total: Double(questions * rounds.count), unit: .items("questions"), quiet: isQuiet)
    defer { progress.finish() }
    let loaded = try base.map { try $0.examinee(on: backend) }
    var models: [TaskReport.Model] = []
    for round in rounds {
      let examinees = try round.map { candidate in
        if let loaded, candidate.path == base?.path { return loaded }
        return try candidate.examinee(on: backend)
      }
      // What the base has answered once counts; beside others it answers again, for how far they are from it.
      let known = round.count > 1 && !models.isEmpty ? 1 : 0
      models += try ask(round, examinees, progress, samples, reporting: known).dropFirst(known)
    }
    try samples?.commit()
    return models
  }

  /// Who answers together.
  private func rounds(_ candidates: [Candidate], against base: Candidate?) throws -> [[Candidate]] {
    guard let base else { return candidates.map { [$0] } }
    if let other = candidates.first(where: { !$0.readsAlike(base) }), !isQuiet {
      Output.note("hoof: \(other.path) and \(base.path) read texts as different tokens: no KL between them")
    }
    // The base comes first in the report: alone, where the first cannot be compared with it place by place.
    return (candidates[0].readsAlike(base) ? [] : [[base]]) + candidates.map { $0.readsAlike(base) ? [base, $0] : [$0] }
  }

  private func ask(
    _ round: [Candidate], _ examinees: [Examinee], _ progress: Progress, _ samples: AtomicWriter?, reporting first: Int
  ) throws -> [TaskReport.Model] {
    var runner = TaskRunner(examinees, options: options)
    let fingerprints = round.map { $0.source.fingerprint() }
    let start = ContinuousClock.now
    var results = Array(repeating: [TaskResult](), count: round.count)
    var divergences: [String: TaskReport.Divergence] = [:]
    let saved = answers.map { _ in "answers so far are kept; the same command with --resume goes on from them" }
    for task in selection.tasks {
      let caches = round.indices.map { index in
        answers?.cache(
          model: fingerprints[index], base: index > 0 ? fingerprints[0] : nil, task: task.fingerprint, shots: runner.shots(task),
          maxLength: round[0].encoder.maxLength)
      }
      noteLeftovers(caches, task, progress)
      let outcomes = try runner.run(task, caches: caches) { event in
        switch event {
        case .questions(let count): progress.advance(by: count, label: task.definition.name)
        case .note(let note): progress.note("hoof: \(note)")
        case .resampling(let share):
          progress.advance(by: 0, label: "\(task.definition.name): standard error, \(Int(share * 100)) %")
        }
        try Interrupt.check(saved: saved)
      } record: { record in
        guard let samples else { return }
        for index in round.indices.dropFirst(first) {
          try samples.append(SampleLine(record, of: index, task, model: round[index].name).json.text() + "\n")
        }
      }
      for (index, outcome) in outcomes.enumerated() {
        results[index].append(outcome.result)
        if let mean = outcome.divergence {
          divergences[task.definition.name] = TaskReport.Divergence(mean: mean, positions: outcome.positions)
        }
      }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return round.enumerated().map { index, candidate in
      TaskReport.Model(
        name: candidate.name, path: candidate.path, fingerprint: fingerprints[index], parameters: candidate.source.config.parameterCount,
        seconds: seconds, results: results[index], divergences: index > 0 ? divergences : [:])
    }
  }

  private func noteLeftovers(_ caches: [AnswerCache?], _ task: TaskData, _ progress: Progress) {
    guard !isQuiet, let left = caches.compactMap({ $0?.leftover }).max(), left > 0 else { return }
    progress.note(
      "hoof: \(task.definition.name): an interrupted run left answers to \(left) questions; --resume would have gone on from there")
  }
}
