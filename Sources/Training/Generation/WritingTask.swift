import Evaluation
import Formats
import Generation
import JSON
import Tokenization

/// A text whose answer is to be written.
struct WritingTask: Sendable {
  /// What stands in front of the answer in the training example.
  let prompt: [Int32]
  /// What the writer sees: the prompt, or a question that shows it the answer there is.
  let question: [Int32]
  /// The id that ends the answer in the training example; nil where the model has none.
  let end: Int32?
  let place: String
  private let form: Form

  /// How prompt and answer are put in a file.
  fileprivate enum Form: Sendable {
    case completion(String)
    case conversation([ChatTemplate.Message])
  }

  fileprivate init(_ prompt: [Int32], question: [Int32]? = nil, end: Int32?, _ form: Form, _ place: String) {
    (self.prompt, self.question, self.end, self.form, self.place) = (prompt, question ?? prompt, end, form, place)
  }

  /// One line of JSONL, as `Corpus` reads it. Blanks around what is said in a conversation belong to the template, not to the answer.
  func line(answer: String) -> String {
    let object: JSON
    switch form {
    case .completion(let prompt): object = ["prompt": .string(prompt), "completion": .string(answer)]
    case .conversation(let messages):
      let turns = messages + [.init(role: "assistant", content: answer.trimmed)]
      object = ["messages": .array(turns.map { ["role": .string($0.role), "content": .string($0.content)] })]
    }
    return object.text()
  }
}

extension ExampleMaker {
  /// What is to be written for a text. A conversation gets its first answer, a plain text goes on behind its first `lead` ids.
  /// - Parameter showsAnswers: whether the writer is shown the answer that a conversation or an instruction has.
  func task(for text: CorpusText, _ place: String, lead: Int, showsAnswers: Bool) throws(FormatError) -> WritingTask {
    let task: WritingTask
    switch text {
    case .plain(let text):
      let ids = leadingIDs(of: text, lead)
      task = WritingTask(begin + ids, end: end, .completion(tokenizer.decode(ids)), place)
    case .prompted(let text):
      let answer = showsAnswers ? text.answer : nil
      if let request = text.request, !format.isAbsent {
        task = try conversation([.init(role: "user", content: request)], answer: answer, place)
      } else {
        let question = text.request.flatMap { request in answer.map { Self.guided(request, by: $0) + "\n\n### Response:\n" } }
        task = WritingTask(
          plainIDs(text.prompt), question: question.map(plainIDs), end: end, .completion(text.prompt), place)
      }
    case .messages(let messages):
      let head = Array(messages.prefix { !$0.isAnswer })
      task = try conversation(head, answer: showsAnswers ? messages.first(where: \.isAnswer)?.content : nil, place)
    }
    try check(task.prompt + task.question, place)
    guard !task.prompt.isEmpty else { throw FormatError(path, place, "the prompt has no tokens") }
    return task
  }

  /// How a writer is asked to say an answer in its own words (arXiv 2402.13669, figure 3).
  private static func guided(_ request: String, by answer: String) -> String {
    "Below are an instruction that describes a task along with a reference answer. Using the reference answer as a guide, write your own "
      + "response.\n\n### Instruction:\n\(request)\n\n### Reference Answer:\n\(answer)"
  }

  /// - Parameter answer: nil where the writer is not to see it.
  private func conversation(
    _ messages: [ChatTemplate.Message], answer: String?, _ place: String
  ) throws(FormatError) -> WritingTask {
    guard let last = messages.last, last.role == "user" else {
      throw FormatError(path, place, "no user's message stands before the answer")
    }
    try checkRoles(messages, place)
    let template = try template(place)
    func ids(_ messages: [ChatTemplate.Message]) throws(FormatError) -> [Int32] {
      guard let template else { return plainIDs(try pairs(messages, place)[0][0].text) }
      do throws(TokenizerError) {
        return tokenizer.encode(try template.render(messages, addGenerationPrompt: true), template: false)
      } catch { throw FormatError(path, place, "\(error)") }
    }
    var question: [Int32]?
    if let answer {
      question = try ids(messages.dropLast() + [.init(role: "user", content: Self.guided(last.content, by: answer))])
    }
    let end = template.map { $0.tokens.last.flatMap { tokenizer.id(of: $0) } } ?? end
    return WritingTask(try ids(messages), question: question, end: end, .conversation(messages), place)
  }

  private func plainIDs(_ text: String) -> [Int32] {
    let ids = tokenizer.encode(text, template: false)
    return ids.starts(with: begin) ? ids : begin + ids
  }

  /// The first ids of a text, and as many more as it takes not to stop inside a character.
  private func leadingIDs(of text: String, _ lead: Int) -> [Int32] {
    var ids = tokenizer.encode(text, template: false)
    if ids.starts(with: begin) { ids.removeFirst(begin.count) }
    var count = min(lead, ids.count)
    while count < ids.count, String(validating: ids[..<count].flatMap(tokenizer.decodeBytes), as: UTF8.self) == nil { count += 1 }
    return Array(ids[..<count])
  }
}

extension String {
  /// Without white space at both ends.
  fileprivate var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(self[first...last])
  }
}
