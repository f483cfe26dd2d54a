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

  /// Who answers together.
  private func rounds(_ candidates: [Candidate], against base: Candidate?) throws -> [[Candidate]] {
    guard let base else { return candidates.map { [$0] } }
    if let other = candidates.first(where: { !$0.readsAlike(base) }), !isQuiet {
      Output.note("hoof: \(other.path) and \(base.path) read texts as different tokens: no KL between them")
    }
    // The base comes first in the report: alone, where the first cannot be compared with it place by place.
    return (candidates[0].readsAlike(base) ? [] : [[base]]) + candidates.map { $0.readsAlike(base) ? [base, $0] : [$0] }
  }

  /// - Parameter names: of the round's last candidates, which are reported.
  private func ask(
    _ round: [Candidate], _ examinees: [Examinee], _ progress: Progress, _ samples: AtomicWriter?, reporting names: [String]
  ) throws -> [TaskReport.Model] {
    let first = round.count - names.count
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
      let lines = try samples.map { _ in try HarnessSamples(task) }
      let outcomes = try runner.run(task, caches: caches) { event in
        switch event {
        case .questions(let count): progress.advance(by: count, label: task.definition.name)
        case .note(let note): progress.note("hoof: \(note)")
        case .resampling(let share):
          progress.advance(by: 0, label: "\(task.definition.name): standard error, \(Int(share * 100)) %")
        }
        try Interrupt.check(saved: saved)
      } record: { record in
        guard let samples, let lines else { return }
        for (index, name) in zip(first..., names) {
          for line in try lines.lines(record, of: index, model: name) { try samples.append(line.text() + "\n") }
        }
      }
      for (index, outcome) in outcomes.enumerated() {
        results[index].append(outcome.result)
        if let mean = outcome.divergence {
          divergences[task.definition.name] = TaskReport.Divergence(mean: mean, positions: outcome.positions)
        }
      }
    }
    // What several were asked together belongs to all that are reported, so that the sum is what the clock says.
    let seconds = (ContinuousClock.now - start) / .seconds(1) / Double(names.count)
    return zip(first..., names).map { index, name in
      let candidate = round[index]
      return TaskReport.Model(
        name: name, path: candidate.path, fingerprint: fingerprints[index], parameters: candidate.source.config.parameterCount,
        type: candidate.weightType, maxLength: candidate.encoder.maxLength, seconds: seconds, results: results[index],
        divergences: index > 0 ? divergences : [:])
    }
  }

  private func noteLeftovers(_ caches: [AnswerCache?], _ task: TaskData, _ progress: Progress) {
    guard !isQuiet, let left = caches.compactMap({ $0?.leftover }).max(), left > 0 else { return }
    progress.note(
      "hoof: \(task.definition.name): an interrupted run left answers to \(left) questions; --resume would have gone on from there")
  }
}
