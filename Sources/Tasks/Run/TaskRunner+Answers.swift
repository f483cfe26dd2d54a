import Evaluation
import Formats

extension TaskRunner {
  /// By examinee and question: those that a cache has, and others computed and kept.
  mutating func answers(
    to questions: [Question], _ portion: Range<Int>, _ task: TaskData, _ caches: [AnswerCache?], _ monitor: (Event) throws -> Void
  ) throws -> [[ModelAnswer]] {
    var answers = caches.map { $0.map { kept(in: $0, questions, from: portion.lowerBound, task) } ?? [] }
    guard task.definition.output != .generate else {
      for model in examinees.indices {
        let known = answers[model].count
        try monitor(.questions(Double(known) / Double(examinees.count)))
        answers[model] += try written(by: model, questions[known...], portion.lowerBound + known, task, caches[model], monitor)
      }
      return answers
    }
    let lacking = examinees.indices.filter { answers[$0].count < questions.count }
    let start = lacking.map { answers[$0].count }.min() ?? questions.count
    try monitor(.questions(Double(start)))
    guard start < questions.count else { return answers }
    // Models that are compared are scored together with the first: positions are the same, and counted once.
    let models = [0] + lacking.filter { $0 > 0 }
    let found = try scored(Array(questions[start...]), from: portion.lowerBound + start, by: models, task, monitor)
    for (model, found) in zip(models, found) {
      let known = answers[model].count
      let new = Array(found.dropFirst(known - start))
      caches[model]?.append(new, at: portion.lowerBound + known)
      answers[model] += new
    }
    return answers
  }

  /// Answers that a cache has to the first of some questions, as far as they can be answers to them.
  private func kept(in cache: AnswerCache, _ questions: [Question], from first: Int, _ task: TaskData) -> [ModelAnswer] {
    var answers: [ModelAnswer] = []
    for (offset, question) in questions.enumerated() {
      guard let answer = cache.answer(first + offset) else { break }
      guard answer.fits(question, task.definition.output) else {
        cache.forget(from: first + offset)
        break
      }
      answers.append(answer)
    }
    return answers
  }

  /// Answers to the questions from `first` on, kept as soon as they are ready.
  private func written(
    by model: Int, _ questions: ArraySlice<Question>, _ first: Int, _ task: TaskData, _ cache: AnswerCache?,
    _ monitor: (Event) throws -> Void
  ) throws -> [ModelAnswer] {
    guard !questions.isEmpty else { return [] }
    let share = 1 / Double(examinees.count)
    let writer = AnswerWriter(examinees[model].model, examinees[model].encoder, ends: examinees[model].ends)
    var found: [ModelAnswer] = []
    do {
      try writer.write(
        answersTo: questions.map { $0.contexts[0] }, stops: task.definition.until, limit: task.definition.maxNewTokens
      ) { event in
        switch event {
        case .texts(let texts):
          let new = texts.map { ModelAnswer(text: $0) }
          cache?.append(new, at: first + found.count)
          found += new
        case .finished(let count): try monitor(.questions(Double(count) * share))
        }
      }
      return found
    } catch let error as AnswerWriter.Refusal { throw TaskRunError(description: "\(task.definition.name): \(error)") }
  }

  /// By model of `models`, of which the first is the first examinee.
  private mutating func scored(
    _ questions: [Question], from first: Int, by models: [Int], _ task: TaskData, _ monitor: (Event) throws -> Void
  ) throws -> [[ModelAnswer]] {
    var requests: [ScoringRequest] = []
    // Requests behind those of each question.
    var ends: [Int] = []
    for (offset, question) in questions.enumerated() {
      do throws(RequestEncoder.Refusal) { requests += try self.requests(question, task.definition.output) } catch {
        throw TaskRunError(description: "\(task.place(of: first + offset)): \(error)")
      }
      ends.append(requests.count)
    }
    let perRequest = Double(questions.count) / Double(requests.count)
    let scores = try scorer.scores(of: requests, by: models) { event in
      switch event {
      case .requests(let count): try monitor(.questions(Double(count) * perRequest))
      case .note(let note): try monitor(.note(note))
      }
    }
    return scores.map { scores in
      zip([0] + ends, ends).map { start, end in
        let own = scores[start..<end]
        let (divergence, positions) = (own.reduce(0) { $0 + $1.divergence }, own.reduce(0) { $0 + $1.positions })
        if task.definition.output == .rolling {
          return ModelAnswer(
            logLikelihoods: [own.reduce(0) { $0 + $1.logLikelihood }], greedy: [own.allSatisfy(\.isGreedy)], divergence: divergence,
            positions: positions)
        }
        return ModelAnswer(
          logLikelihoods: own.map(\.logLikelihood), greedy: own.map(\.isGreedy), divergence: divergence, positions: positions)
      }
    }
  }

  private func requests(_ question: Question, _ output: TaskDefinition.Output) throws(RequestEncoder.Refusal) -> [ScoringRequest] {
    let encoder = examinees[0].encoder
    if output == .rolling { return try encoder.windows(of: question.reference) }
    var requests: [ScoringRequest] = []
    for index in 0..<question.requestCount {
      let context = question.contexts[question.contexts.count == 1 ? 0 : index]
      let continuation = question.continuations[question.continuations.count == 1 ? 0 : index]
      requests.append(try encoder.request(context: context, continuation: continuation))
    }
    return requests
  }
}
