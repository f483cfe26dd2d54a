import Formats
import JSON

/// Answers to a task's questions in the form of lm-evaluation-harness' samples files (`--log_samples` of 0.4.13, evaluator.py and
/// loggers/evaluation_tracker.py): an object for each question and filter, what the model said as Python's `str` has it.
///
/// The harness has a file for each task and model; here "task" and "model" say whose an answer is, in front of its own keys.
public struct HarnessSamples {
  private let task: TaskData
  private let figures: QuestionMetrics
  /// What the other rows must look like for the harness to have them as they stand; nil for a CSV, of whose columns it guesses the types.
  private let first: JSON?

  /// - Throws: where the first row cannot be read.
  public init(_ task: TaskData) throws(FormatError) {
    (self.task, figures) = (task, QuestionMetrics(task.definition))
    first = task.paths[0].hasSuffix(".csv") ? nil : try task.row(0)
  }

  /// One line for each filter of the task.
  /// - Parameters:
  ///   - index: whose answer, of those that the record has
  ///   - model: what it is called
  /// - Throws: `FormatError`, or `TextPattern.Refusal` where a search in an answer had to be given up.
  public func lines(_ record: TaskRunner.Record, of index: Int, model: String) throws -> [JSON] {
    let (question, answer) = (record.question, record.answers[index])
    let arguments = arguments(of: question)
    let responses = HarnessSamples.responses(answer, task.definition.output)
    let reader = try task.reader(record.index)
    let target = try reader.target().value.pythonText
    let doc = try doc(record, reader)
    let metrics = zip(figures.metrics, record.values[index]).sorted { HarnessSamples.place($0.0) < HarnessSamples.place($1.0) }
    return try figures.filtered(answer).map { filter, text in
      let own = metrics.filter { $0.0.filter == filter }
      var object: JSON.Object = [
        "task": .string(task.definition.name), "model": .string(model), "doc_id": .int(record.index), "doc": doc,
        "target": .string(target),
        "arguments": .object(HarnessSamples.numbered("gen_args_", arguments.map { .object(HarnessSamples.numbered("arg_", $0)) })),
        "resps": .array(responses.map { [$0] }), "filtered_resps": text.map { [.string($0)] } ?? .array(responses),
        "filter": .string(filter), "metrics": .array(own.map { .string($0.0.name) }),
      ]
      object["doc_hash"] = first.flatMap { $0.isColumnwiseLike(record.row) ? .string(HarnessSamples.hash(doc.pythonDump)) : nil }
      object["prompt_hash"] = arguments.first?.first?.string.map { .string(HarnessSamples.hash($0)) }
      object["target_hash"] = .string(HarnessSamples.hash(target))
      for (metric, value) in own { object[metric.name] = json(value, of: metric, question) }
      return .object(object)
    }
  }

  /// The row, and behind it what the harness' Python for the task (`process_docs`) adds to it, as the definition's metadata says.
  private func doc(_ record: TaskRunner.Record, _ reader: RowReader) throws(FormatError) -> JSON {
    guard var row = record.row.object, let added = task.definition.source["metadata"]?["process_docs"]?.object else { return record.row }
    for (name, key) in added.members {
      switch key.string {
      case "doc_to_text": row[name] = .string(try reader.question())
      case "doc_to_choice": row[name] = .array(record.question.choices.map { .string($0) })
      default: row[name] = record.question.gold.first.map { .int($0) }
      }
    }
    return .object(row)
  }

  /// What each request was made of.
  private func arguments(of question: Question) -> [[JSON]] {
    switch task.definition.output {
    case .rolling: return [[.string(question.reference)]]
    case .generate: return [[.string(question.contexts[0]), .object(task.definition.generationSettings)]]
    case .multipleChoice, .logLikelihood:
      return (0..<question.requestCount).map { place in
        let context = question.contexts[question.contexts.count == 1 ? 0 : place]
        return [.string(context), .string(question.continuations[question.continuations.count == 1 ? 0 : place])]
      }
    }
  }

  /// Of each request: a text, a log-likelihood, or one with whether the continuation is the likeliest.
  private static func responses(_ answer: ModelAnswer, _ output: TaskDefinition.Output) -> [JSON] {
    func text(_ value: JSON) -> JSON { .string(value.pythonText) }
    switch output {
    case .generate: return [.string(answer.text ?? "")]
    case .rolling: return [text(.double(answer.logLikelihoods[0]))]
    case .multipleChoice, .logLikelihood:
      return zip(answer.logLikelihoods, answer.greedy).map { [text(.double($0)), text(.bool($1))] }
    }
  }

  private func json(_ value: Double, of metric: QuestionMetric, _ question: Question) -> JSON {
    if metric.aggregation.isWeighted { return [.double(value), .int(Int(figures.weight(of: metric, question)))] }
    // What the harness makes of a truth value is a whole number, what it makes of a comparison is not.
    let isWhole = metric.name == "exact_match" ? task.definition.output != .generate : task.definition.output == .logLikelihood
    return isWhole && metric.aggregation == .mean ? .int(Int(value)) : .double(value)
  }

  /// The harness' own order, whatever the definition's.
  private static func place(_ metric: QuestionMetric) -> Int {
    ["word_perplexity", "byte_perplexity", "bits_per_byte", "perplexity", "acc", "acc_norm", "acc_bytes", "exact_match"]
      .firstIndex(of: metric.name) ?? .max
  }

  private static func numbered(_ prefix: String, _ values: [JSON]) -> JSON.Object {
    values.enumerated().reduce(into: JSON.Object()) { $0["\(prefix)\($1.offset)"] = $1.element }
  }

  private static func hash(_ text: String) -> String {
    var hash = SHA256()
    hash.update(text)
    return hash.hexDigest()
  }
}

extension TaskData {
  fileprivate func reader(_ index: Int) throws(FormatError) -> RowReader {
    RowReader(questions, index, try questions.row(index), templates: definition.prompt)
  }
}

extension TaskDefinition {
  /// `generation_kwargs` as the harness completes them.
  fileprivate var generationSettings: JSON.Object {
    let until = JSON.array(until.map { .string($0) })
    guard var settings = source["generation_kwargs"]?.object else {
      return ["temperature": 0.0, "do_sample": false, "max_gen_toks": .int(maxNewTokens), "until": until]
    }
    if let temperature = settings["temperature"]?.double { settings["temperature"] = .double(temperature) }
    if settings["until"] == nil { settings["until"] = until }
    return settings
  }
}
