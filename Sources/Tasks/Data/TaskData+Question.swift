import Formats
import JSON

/// A row with its templates, as lm-evaluation-harness puts them together.
extension TaskData {
  /// - Parameter examples: indices into the examples' source, in the order in which they stand in front of the question.
  public func question(_ index: Int, examples: [Int]) throws(FormatError) -> Question {
    let reader = RowReader(questions, index, try questions.row(index), templates: definition.prompt)
    if definition.output == .rolling { return try rolling(reader) }
    var head = try definition.description.map { (description) throws(FormatError) in try reader.text(description) } ?? ""
    for example in examples { head += try exampleText(example) }

    let templates = definition.prompt
    let prefix = try templates.answerPrefix.map { (prefix) throws(FormatError) in try reader.text(prefix) } ?? ""
    func asked(_ text: String, _ delimiter: String) -> String {
      prefix.isEmpty ? text : text + (RowReader.needsDelimiter(text, prefix) ? delimiter : "") + prefix
    }
    switch definition.output {
    case .multipleChoice:
      let choices = try reader.choices()
      if hasSeveralContexts {
        let gold = try reader.gold(of: choices, try reader.value(templates.text!).value)
        let target = try reader.answer(choices: nil)
        return Question(
          contexts: choices.map { head + asked($0, "") }, continuations: choices.map { _ in templates.targetDelimiter + target },
          choices: choices,
          gold: gold)
      }
      let context = head + asked(try reader.question(), templates.targetDelimiter)
      return Question(
        contexts: [context], continuations: choices.map { templates.targetDelimiter + $0 }, choices: choices,
        gold: try reader.gold(of: choices), labels: try labels(reader, choices))
    case .logLikelihood:
      let context = head + asked(try reader.question(), templates.targetDelimiter)
      return Question(contexts: [context], continuations: [try reader.answer(choices: nil)])
    default:
      let context = head + asked(try reader.question(), templates.targetDelimiter)
      let answers = try reader.answers()
      return Question(contexts: [context], reference: answers[0], alternatives: Array(answers.dropFirst()))
    }
  }

  private func rolling(_ reader: RowReader) throws(FormatError) -> Question {
    let text = try reader.answer(choices: nil)
    return Question(reference: text, counted: try definition.counted.map { (counted) throws(FormatError) in try reader.text(counted) })
  }

  /// A question with its answer and the delimiter behind it.
  private func exampleText(_ index: Int) throws(FormatError) -> String {
    let reader = try example(index)
    let templates = reader.templates
    let choices: [String]? = if templates.choices == nil { nil } else { try reader.choices() }
    var question: String
    var answer: String
    if hasSeveralContexts, let choices {
      question = choices[try reader.gold(of: choices, try reader.value(templates.text!).value)[0]]
      answer = try reader.answer(choices: nil)
    } else {
      question = try reader.question()
      answer = try reader.answer(choices: choices)
    }
    let prefix = try templates.answerPrefix.map { (prefix) throws(FormatError) in try reader.text(prefix) } ?? ""
    if prefix.isEmpty || RowReader.needsDelimiter(question, prefix) { question += templates.targetDelimiter }
    if !prefix.isEmpty { answer = prefix + (RowReader.needsDelimiter(prefix, answer) ? " " : "") + answer }
    return question + answer + templates.exampleDelimiter
  }

  private func labels(_ reader: RowReader, _ choices: [String]) throws(FormatError) -> [Double]? {
    guard let template = definition.labels else { return nil }
    let value = try reader.value(template).value
    guard let labels = value.array?.compactMap(\.number), labels.count == value.array?.count, labels.count == choices.count else {
      throw reader.error(template.key, "must be a number for each of the \(choices.count) choices")
    }
    guard labels.contains(1) else { throw reader.error(template.key, "marks none of the choices as true") }
    return labels
  }
}
