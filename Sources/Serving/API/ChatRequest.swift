import JSON
import Tokenization

/// The body of POST /v1/chat/completions.
struct ChatRequest: Sendable {
  let model: String?
  let messages: [ChatTemplate.Message]
  let options: AnswerOptions
  /// nil without; else so many of the likeliest tokens beside each token.
  let logprobs: Int?

  init(_ body: [UInt8]) throws(APIError) {
    let fields = try RequestFields(body)
    model = try fields.string("model")
    messages = try Self.messages(fields)
    options = try AnswerOptions(fields, limit: nil)
    let wanted = try fields.bool("logprobs") ?? false
    let likeliest = try fields.int("top_logprobs", 0...20)
    if likeliest != nil, !wanted {
      throw APIError(message: "'top_logprobs' goes with 'logprobs': true", param: "top_logprobs", code: "invalid_value")
    }
    logprobs = wanted ? likeliest ?? 0 : nil
  }

  private static func messages(_ fields: RequestFields) throws(APIError) -> [ChatTemplate.Message] {
    guard let value = fields["messages"] else { throw APIError(message: "'messages' is missing", param: "messages") }
    guard let list = value.array else { throw RequestFields.wrong("messages", "an array") }
    guard !list.isEmpty else { throw APIError(message: "'messages' is empty", param: "messages", code: "invalid_value") }
    var messages: [ChatTemplate.Message] = []
    for (index, entry) in list.enumerated() {
      let place = "messages[\(index)]"
      guard entry.object != nil else { throw RequestFields.wrong(place, "an object") }
      guard let role = entry["role"]?.string else { throw RequestFields.wrong("\(place).role", "a string") }
      // OpenAI's newer name for the system's role.
      let known = ["system", "developer", "user", "assistant"]
      guard known.contains(role) else {
        throw APIError(
          message: "'\(place).role' is '\(role)'; known are \(known.joined(separator: ", "))", param: place, code: "invalid_value")
      }
      messages.append(.init(role: role == "developer" ? "system" : role, content: try text(entry["content"], "\(place).content")))
    }
    return messages
  }

  /// A string, or parts of type text.
  private static func text(_ content: JSON?, _ place: String) throws(APIError) -> String {
    if let text = content?.string { return text }
    guard let parts = content?.array else { throw RequestFields.wrong(place, "a string or an array of parts") }
    var text = ""
    for (index, part) in parts.enumerated() {
      guard part["type"]?.string == "text", let piece = part["text"]?.string else {
        throw APIError(
          message: "'\(place)[\(index)]' must be of type text and have a text; nothing else is understood", param: place,
          code: "unsupported_content")
      }
      text += piece
    }
    return text
  }
}
