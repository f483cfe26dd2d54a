import JSON

/// The body of POST /v1/completions.
struct CompletionRequest: Sendable {
  enum Prompt: Sendable, Equatable {
    case text(String)
    case ids([Int32])
  }

  let model: String?
  let prompts: [Prompt]
  let options: AnswerOptions
  let logprobs: Int?

  /// As in OpenAI's API.
  static let defaultLimit = 16

  init(_ body: [UInt8]) throws(APIError) {
    let fields = try RequestFields(body)
    model = try fields.string("model")
    prompts = try Self.prompts(fields)
    options = try AnswerOptions(fields, limit: Self.defaultLimit)
    logprobs = try fields.int("logprobs", 0...20)
    if prompts.count * options.choices > AnswerOptions.mostChoices {
      throw APIError(
        message: "\(prompts.count) prompts with \(options.choices) answers each; one request may have \(AnswerOptions.mostChoices) answers",
        param: "prompt", code: "invalid_value")
    }
  }

  /// A text, ids, or an array of either.
  private static func prompts(_ fields: RequestFields) throws(APIError) -> [Prompt] {
    guard let value = fields["prompt"] else { throw APIError(message: "'prompt' is missing", param: "prompt") }
    if let text = value.string { return [.text(text)] }
    let expected = "a string, an array of strings, or arrays of token ids"
    guard let list = value.array, let first = list.first else { throw RequestFields.wrong("prompt", expected) }
    if first.int != nil { return [.ids(try ids(list, expected))] }
    var prompts: [Prompt] = []
    for entry in list {
      if let text = entry.string {
        prompts.append(.text(text))
      } else if let list = entry.array {
        prompts.append(.ids(try ids(list, expected)))
      } else {
        throw RequestFields.wrong("prompt", expected)
      }
    }
    return prompts
  }

  private static func ids(_ list: [JSON], _ expected: String) throws(APIError) -> [Int32] {
    var ids: [Int32] = []
    for value in list {
      guard let id = value.int.flatMap({ Int32(exactly: $0) }) else { throw RequestFields.wrong("prompt", expected) }
      ids.append(id)
    }
    return ids
  }
}
