import Generation
import JSON

/// The bodies of answers: whole, or as events.
struct AnswerFormat: Sendable {
  enum Endpoint: Sendable { case chat, completion }

  let endpoint: Endpoint
  /// Probabilities that were asked for.
  let logprobs: Int?
  let streamsUsage: Bool
  private let identity: JSON.Object
  private let chunkStart: String
  private let chunkEnd: String

  init(_ endpoint: Endpoint, model: String, logprobs: Int?, streams: Bool, streamsUsage: Bool) {
    (self.endpoint, self.logprobs, self.streamsUsage) = (endpoint, logprobs, streamsUsage)
    let number = String(UInt64.random(in: 1 << 63 ... .max), radix: 16)
    let object = endpoint == .completion ? "text_completion" : streams ? "chat.completion.chunk" : "chat.completion"
    identity = [
      "id": .string((endpoint == .chat ? "chatcmpl-" : "cmpl-") + number), "object": .string(object),
      "created": .int(Int(Clock.wall)), "model": .string(model),
    ]
    // All events of an answer begin and end alike; what is between is made for each token.
    chunkStart = "data: " + JSON.object(identity).text().dropLast() + ",\"choices\":["
    chunkEnd = "]" + (streamsUsage ? ",\"usage\":null" : "") + "}\n\n"
  }

  /// What one choice has so far.
  struct Choice: Sendable {
    var text = ""
    var tokens: [GeneratedToken] = []
    var reason: FinishReason?
    /// Characters in front of the next token.
    var offset = 0
  }

  static func word(_ reason: FinishReason?) -> JSON {
    switch reason {
    case .stop?: "stop"
    case .length?: "length"
    default: nil
    }
  }

  private func probabilities(_ tokens: [GeneratedToken], offset: inout Int) -> JSON {
    guard let logprobs else { return nil }
    return endpoint == .chat ? TokenText.chat(tokens) : TokenText.completion(tokens, likeliest: logprobs, offset: &offset)
  }

  // MARK: Whole

  func whole(_ choices: [Choice], _ usage: JSON) -> JSON {
    var object = identity
    object["choices"] = .array(
      choices.enumerated().map { index, choice in
        var offset = 0
        let probabilities = probabilities(choice.tokens, offset: &offset)
        let text = JSON.string(choice.text)
        let said: (String, JSON) =
          endpoint == .chat ? ("message", ["role": "assistant", "content": text, "refusal": nil]) : ("text", text)
        var entry: JSON.Object = ["index": .int(index)]
        entry[said.0] = said.1
        entry["logprobs"] = probabilities
        entry["finish_reason"] = Self.word(choice.reason)
        return .object(entry)
      })
    object["usage"] = usage
    return .object(object)
  }

  /// - Parameters:
  ///   - prompts: tokens of each prompt, whose answers share it.
  ///   - answers: usage of every answer.
  static func usage(promptTokens: Int, _ answers: [Usage]) -> JSON {
    let written = answers.reduce(0) { $0 + $1.answerTokens }
    return [
      "prompt_tokens": .int(promptTokens), "completion_tokens": .int(written), "total_tokens": .int(promptTokens + written),
      "prompt_tokens_details": ["cached_tokens": .int(answers.first?.reusedTokens ?? 0)],
    ]
  }

  // MARK: Events

  private func event(_ choice: String) -> String { chunkStart + choice + chunkEnd }

  /// The first of a chat's answer; a completion has none.
  func opening(_ index: Int) -> String {
    guard endpoint == .chat else { return "" }
    return event(
      "{\"index\":\(index),\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}")
  }

  /// - Parameter offset: of the choice's next token.
  func piece(_ index: Int, _ text: String, _ tokens: [GeneratedToken], offset: inout Int) -> String {
    guard !text.isEmpty || logprobs != nil && !tokens.isEmpty else { return "" }
    let quoted = JSON.string(text).text()
    let said = endpoint == .chat ? "\"delta\":{\"content\":\(quoted)}" : "\"text\":\(quoted)"
    let probabilities = logprobs == nil ? "null" : probabilities(tokens, offset: &offset).text()
    return event("{\"index\":\(index),\(said),\"logprobs\":\(probabilities),\"finish_reason\":null}")
  }

  func closing(_ index: Int, _ reason: FinishReason) -> String {
    let said = endpoint == .chat ? "\"delta\":{}" : "\"text\":\"\""
    return event("{\"index\":\(index),\(said),\"logprobs\":null,\"finish_reason\":\(Self.word(reason).text())}")
  }

  func usageEvent(_ usage: JSON) -> String {
    var object = identity
    object["choices"] = []
    object["usage"] = usage
    return "data: \(JSON.object(object).text())\n\n"
  }

  static let lastEvent = "data: [DONE]\n\n"

  static func errorEvent(_ error: APIError) -> String { "data: \(error.json.text())\n\n" }
}
