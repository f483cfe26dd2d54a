import Testing

@testable import Serving

/// What bodies mean, and what is wrong with them.
struct RequestTests {
  private func chatError(_ body: String) -> APIError? {
    do throws(APIError) {
      _ = try ChatRequest(Array(body.utf8))
      return nil
    } catch { return error }
  }

  private func completionError(_ body: String) -> APIError? {
    do throws(APIError) {
      _ = try CompletionRequest(Array(body.utf8))
      return nil
    } catch { return error }
  }

  @Test("everything that a chat request may say arrives")
  func chat() throws {
    let body = #"""
      {"model": "m", "messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": [
        {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05,
       "repetition_penalty": 1.1, "seed": -3, "max_tokens": 9, "max_completion_tokens": 7, "stop": ["x", "y"], "n": 2, "stream": true,
       "stream_options": {"include_usage": true}, "logprobs": true, "top_logprobs": 4, "user": "somebody", "frequency_penalty": 0,
       "tools": [], "response_format": {"type": "text"}, "unheard_of": {"a": [1]}}
      """#
    let request = try ChatRequest(Array(body.utf8))
    #expect(
      request.model == "m" && request.messages.map(\.role) == ["system", "user"] && request.messages.map(\.content) == ["be brief", "ab"])
    let options = request.options
    #expect(
      options.sampling == .init(temperature: 0.5, topK: 40, topP: 0.9, minP: 0.05, repetitionPenalty: 1.1, seed: UInt64(bitPattern: -3)))
    #expect(options.limit == 7 && options.stops == ["x", "y"] && options.choices == 2 && options.streams && options.streamsUsage)
    #expect(request.logprobs == 4 && options.sampling(of: 1).seed == UInt64(bitPattern: -2))
  }

  @Test("what is not said is as in OpenAI's API, and null is not said")
  func defaults() throws {
    let chat = try ChatRequest(Array(#"{"messages": [{"role": "user", "content": ""}], "stop": null, "temperature": null}"#.utf8))
    #expect(chat.model == nil && chat.options.limit == nil && chat.options.stops.isEmpty && chat.logprobs == nil)
    #expect(chat.options.sampling.temperature == 1 && chat.options.sampling.topP == 1 && chat.options.sampling.topK == nil)
    #expect(!chat.options.streams && chat.options.choices == 1)
    let other = try ChatRequest(Array(#"{"messages": [{"role": "user", "content": ""}]}"#.utf8))
    #expect(chat.options.sampling.seed != other.options.sampling.seed, "without a seed every request has one of its own")
    #expect(try CompletionRequest(Array(#"{"prompt": "a"}"#.utf8)).options.limit == 16)
  }

  @Test("a prompt is a text, ids, or several of either")
  func prompts() throws {
    func prompts(_ text: String) throws -> [CompletionRequest.Prompt] {
      try CompletionRequest(Array(#"{"prompt": \#(text)}"#.utf8)).prompts
    }
    #expect(try prompts(#""a""#) == [.text("a")])
    #expect(try prompts(#"["a", "b"]"#) == [.text("a"), .text("b")])
    #expect(try prompts("[1, 2]") == [.ids([1, 2])])
    #expect(try prompts(#"[[1], "b", [2, 3]]"#) == [.ids([1]), .text("b"), .ids([2, 3])])
    for bad in ["[]", "3", "{}", "[true]", "[1, \"a\"]", "[[1, 4294967296]]", "[[1.5]]"] {
      #expect(completionError(#"{"prompt": \#(bad)}"#)?.param == "prompt", "\(bad)")
    }
    let many = #"["# + Array(repeating: "\"a\"", count: 9).joined(separator: ",") + "]"
    #expect(completionError(#"{"prompt": \#(many), "n": 2}"#)?.message == "9 prompts with 2 answers each; one request may have 16 answers")
  }

  static let wrong: [(String, String)] = [
    (#""model": 3"#, "model"), (#""temperature": "hot""#, "temperature"), (#""temperature": 2.5"#, "temperature"),
    (#""temperature": -1"#, "temperature"), (#""top_p": 1.5"#, "top_p"), (#""top_k": 1.5"#, "top_k"), (#""min_p": []"#, "min_p"),
    (#""repetition_penalty": 0"#, "repetition_penalty"), (#""seed": "a""#, "seed"), (#""seed": 1.5"#, "seed"),
    (#""max_tokens": 0"#, "max_tokens"),
    (#""max_tokens": "9""#, "max_tokens"), (#""max_completion_tokens": -1"#, "max_completion_tokens"), (#""stop": 3"#, "stop"),
    (#""stop": ["a", 3]"#, "stop"), (#""stop": """#, "stop"), (#""n": 0"#, "n"), (#""n": 17"#, "n"), (#""stream": "yes""#, "stream"),
    (#""stream": 1"#, "stream"), (#""stream_options": true"#, "stream_options"),
    (#""stream_options": {"include_usage": 1}"#, "stream_options.include_usage"), (#""logprobs": 3"#, "logprobs"),
    (#""logprobs": true, "top_logprobs": 21"#, "top_logprobs"), (#""top_logprobs": 2"#, "top_logprobs"),
    (#""presence_penalty": 0.5"#, "presence_penalty"), (#""frequency_penalty": -1"#, "frequency_penalty"),
    (#""logit_bias": {"5": 1}"#, "logit_bias"),
    (#""tools": [{"type": "function"}]"#, "tools"), (#""response_format": {"type": "json_object"}"#, "response_format"),
    (#""best_of": 3"#, "best_of"),
  ]

  @Test("a wrong type or value is named, and so is what nothing here does", arguments: wrong)
  func refuses(member: String, name: String) {
    let error = chatError(#"{"messages": [{"role": "user", "content": "a"}], \#(member)}"#)
    #expect(error?.status == 400 && error?.param == name && error?.message.contains(name) == true, "\(error?.message ?? "taken")")
  }

  static let wrongMessages: [(String, String)] = [
    ("[]", "messages"), ("3", "messages"), ("[3]", "messages[0]"), (#"[{"content": "a"}]"#, "messages[0].role"),
    (#"[{"role": "tool", "content": "a"}]"#, "messages[0]"), (#"[{"role": "user"}]"#, "messages[0].content"),
    (#"[{"role": "user", "content": null}]"#, "messages[0].content"),
    (#"[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]"#, "messages[0].content"),
  ]

  @Test("wrong messages are named by their place", arguments: wrongMessages)
  func refusesMessages(messages: String, place: String) { #expect(chatError(#"{"messages": \#(messages)}"#)?.param == place) }

  @Test("a body that is no object of JSON says where")
  func refusesBodies() {
    #expect(chatError("")?.message == "the request has no body; a JSON object is expected")
    #expect(chatError("[1]")?.message == "the body is not a JSON object")
    #expect(chatError(#"{"messages": "#)?.message.hasPrefix("the body is not valid JSON at byte 13") == true)
    #expect(chatError("{}")?.param == "messages" && completionError("{}")?.param == "prompt")
    #expect(chatError(String(repeating: "[", count: 100_000))?.status == 400)
    let half = Array(#"{"messages": ""#.utf8) + [0xc3] + Array(#""}"#.utf8)
    #expect(throws: APIError.self) { try ChatRequest(half) }
  }
}
