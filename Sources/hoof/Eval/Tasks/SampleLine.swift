import JSON
import Tasks

/// A question with a model's answer, in the form of lm-evaluation-harness' samples files.
struct SampleLine {
  let json: JSON

  init(_ record: TaskRunner.Record, of index: Int, _ task: TaskData, model: String) {
    let (question, answer) = (record.question, record.answers[index])
    var object: JSON.Object = [
      "task": .string(task.definition.name), "model": .string(model), "doc_id": .int(record.index), "doc": record.row,
      "target": question.gold.isEmpty
        ? .string(question.reference)
        : question.gold.count == 1
          ? .int(question.gold[0])
          : .array(
            question.gold.map { .int($0) }),
    ]
    if let text = answer.text {
      object["arguments"] = .array(question.contexts.map { .array([.string($0)]) })
      object["resps"] = [[.string(text)]]
    } else {
      let pairs = (0..<max(1, question.contexts.count, question.continuations.count)).map { place -> JSON in
        let context = question.contexts.count > 1 ? question.contexts[place] : question.contexts.first
        let continuation = question.continuations.count > 1 ? question.continuations[place] : question.continuations.first
        return .array([context, continuation].compactMap { $0.map { .string($0) } })
      }
      object["arguments"] = .array(pairs)
      object["resps"] = .array(zip(answer.logLikelihoods, answer.greedy).map { [[.double($0), .bool($1)]] })
    }
    for (metric, value) in zip(QuestionMetrics(task.definition).metrics, record.values[index]) {
      object[metric.filter == "none" ? metric.name : metric.key] = .double(value)
    }
    json = .object(object)
  }
}
