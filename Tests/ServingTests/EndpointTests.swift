import Generation
import JSON
import Testing

@testable import Serving

/// Answers of both endpoints, over a socket.
struct EndpointTests {
  static let hello = #"{"model": "toy", "messages": [{"role": "user", "content": "hi"}]"#
  static let chat = "/v1/chat/completions"

  @Test("a chat's answer is whole, with its usage")
  func wholeChat() throws {
    let engine = FakeEngine(.says(["Hel", "lo \"you\"\n"], .stop))
    let answer = try TestServer(engine).post(Self.chat, Self.hello + #", "max_tokens": 5, "stop": "x", "temperature": 0}"#)
    #expect(answer.status == 200 && answer.headers["content-type"] == "application/json" && answer.headers["cache-control"] == "no-store")
    let json = try #require(answer.json)
    #expect(
      json["object"]?.string == "chat.completion" && json["model"]?.string == "toy" && json["id"]?.string?.hasPrefix("chatcmpl-") == true)
    let choice = try #require(json["choices"]?.array?.first)
    #expect(choice["message"] == ["role": "assistant", "content": "Hello \"you\"\n", "refusal": nil])
    #expect(choice["finish_reason"]?.string == "stop" && choice["index"]?.int == 0 && choice["logprobs"]?.isNull == true)
    #expect(
      json["usage"] == [
        "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": ["cached_tokens": 1],
      ])
    let request = engine.taken[0].request
    #expect(request.prompt == "user: hi\n".utf8.map(Int32.init) && request.limit == 5 && request.stopStrings == ["x"])
    #expect(request.stopTokens == [0] && request.sampling.temperature == 0)
  }

  @Test("a chat streams as events: who speaks, what is said, why it ended, what it took")
  func streamedChat() throws {
    let server = try TestServer(FakeEngine(.says(["Hé", "llo"], .length)))
    let answer = try server.post(Self.chat, Self.hello + #", "stream": true, "stream_options": {"include_usage": true}}"#)
    #expect(answer.status == 200 && answer.headers["content-type"] == "text/event-stream; charset=utf-8")
    #expect(answer.events.last == "[DONE]")
    let events = answer.eventJSON
    try #require(events.count == 5)
    let deltas = events.prefix(4).map { $0["choices"]?.array?.first?["delta"] }
    #expect(deltas[0] == ["role": "assistant", "content": ""] && deltas[1] == ["content": "Hé"] && deltas[2] == ["content": "llo"])
    #expect(deltas[3] == [:] && events[3]["choices"]?.array?.first?["finish_reason"]?.string == "length")
    #expect(events.prefix(4).allSatisfy { $0["usage"]?.isNull == true && $0["object"]?.string == "chat.completion.chunk" })
    #expect(events[4]["choices"] == [] && events[4]["usage"]?["total_tokens"]?.int == 11)
    #expect(Set(events.map { $0["id"]?.string }).count == 1)
    let plain = try server.post(Self.chat, Self.hello + #", "stream": true}"#)
    #expect(plain.eventJSON.count == 4 && plain.eventJSON.allSatisfy { $0["usage"] == nil })
  }

  @Test("probabilities come in each endpoint's own form")
  func probabilities() throws {
    let server = try TestServer(FakeEngine(.says(["a", "é"], .stop)))
    let chat = try server.post(Self.chat, Self.hello + #", "logprobs": true, "top_logprobs": 1}"#)
    let content = try #require(chat.json?["choices"]?.array?[0]["logprobs"]?["content"]?.array)
    #expect(content.count == 2)
    #expect(
      content[1] == [
        "token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [["token": "é0", "logprob": -1.0, "bytes": [195, 169, 48]]],
      ])
    let completion = try server.post("/v1/completions", #"{"prompt": "p", "logprobs": 2}"#)
    let logprobs = completion.json?["choices"]?.array?[0]["logprobs"]
    #expect(logprobs?["tokens"] == ["a", "é"] && logprobs?["token_logprobs"] == [-0.5, -0.5] && logprobs?["text_offset"] == [0, 1])
    #expect(logprobs?["top_logprobs"] == [["a0": -1.0, "a1": -2.0, "a": -0.5], ["é0": -1.0, "é1": -2.0, "é": -0.5]])
    let streamed = try server.post("/v1/completions", #"{"prompt": "p", "logprobs": 0, "stream": true}"#).eventJSON
    #expect(streamed.compactMap { $0["choices"]?.array?[0]["logprobs"]?["text_offset"]?.array?.first?.int } == [0, 1])
    #expect(streamed.first?["choices"]?.array?[0]["logprobs"]?["top_logprobs"]?.isNull == true)
    let without = try server.post(Self.chat, Self.hello + #", "logprobs": true, "stream": true}"#).eventJSON
    #expect(without[1]["choices"]?.array?[0]["logprobs"]?["content"]?.array?[0]["top_logprobs"] == [])
  }

  @Test("completions take several prompts and several answers, each with draws of its own")
  func choices() throws {
    let engine = FakeEngine(.says(["x"], .stop))
    let answer = try TestServer(engine).post("/v1/completions", #"{"prompt": ["a", [98]], "n": 2, "seed": 5, "max_tokens": 3}"#)
    let choices = try #require(answer.json?["choices"]?.array)
    #expect(choices.count == 4 && choices.map { $0["index"]?.int } == [0, 1, 2, 3] && choices.allSatisfy { $0["text"]?.string == "x" })
    #expect(answer.json?["object"]?.string == "text_completion" && answer.json?["id"]?.string?.hasPrefix("cmpl-") == true)
    #expect(answer.json?["usage"]?["prompt_tokens"]?.int == 2 && answer.json?["usage"]?["completion_tokens"]?.int == 4)
    #expect(engine.taken.map(\.request.prompt) == [[97], [97], [98], [98]] && engine.taken.map(\.request.sampling.seed) == [5, 6, 7, 8])
  }

  @Test("models are chosen by name, and listed with what is known of them")
  func models() throws {
    let (a, b) = (FakeEngine(.says(["A"], .stop)), FakeEngine(.says(["B"], .stop)))
    let server = try TestServer(["a b": a, "b": b])
    let list = try #require(try server.ask("GET", "/v1/models").json?["data"]?.array)
    #expect(list.map { $0["id"]?.string } == ["a b", "b"] && list[0]["object"]?.string == "model" && list[0]["hoof"]?["layers"]?.int == 2)
    #expect(try server.ask("GET", "/v1/models/a%20b").json?["id"]?.string == "a b")
    #expect(try server.ask("GET", "/v1/models/c").error?["code"]?.string == "model_not_found")
    #expect(try server.post("/v1/completions", #"{"prompt": "p", "model": "b"}"#).json?["choices"]?.array?[0]["text"]?.string == "B")
    #expect(try server.post("/v1/completions", #"{"prompt": "p"}"#).json?["model"]?.string == "a b", "the first where none is named")
    let unknown = try server.post("/v1/completions", #"{"prompt": "p", "model": "gpt-9"}"#)
    #expect(unknown.status == 404 && unknown.error?["message"]?.string == "there is no model 'gpt-9' here, but 'a b', 'b'")
  }

  @Test("what is wrong is said in OpenAI's words, with the right status")
  func errors() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop)))
    let bad = try server.post(Self.chat, Self.hello + #", "temperature": "hot"}"#)
    #expect(bad.status == 400 && bad.error?["param"]?.string == "temperature" && bad.error?["type"]?.string == "invalid_request_error")
    #expect(try server.post(Self.chat, "{").status == 400)
    #expect(
      try server.post(Self.chat, #"{"messages": [{"role": "assistant", "content": "a"}]}"#).error?["code"]?.string == "invalid_messages")
    #expect(try server.ask("GET", Self.chat).status == 405 && server.ask("POST", "/health", body: "x").status == 405)
    for path in ["/nothing", "/../etc/passwd", "/%2e%2e/etc/passwd", "/v1/models/%zz", "/v1/models/", "/./", "/index.html"] {
      let answer = try server.ask("GET", path)
      #expect(answer.status == 404 && answer.error?["message"]?.string != nil, "\(path)")
    }
  }

  @Test("what the engine refuses becomes a status: too long, too many, going down")
  func engineErrors() throws {
    let long = try TestServer(FakeEngine(.refuses(.tooLong(promptTokens: 900, contextLength: 512)))).post(Self.chat, Self.hello + "}")
    #expect(long.status == 400 && long.error?["code"]?.string == "context_length_exceeded")
    #expect(long.error?["message"]?.string?.contains("900") == true && long.error?["message"]?.string?.contains("512") == true)
    let longer = try TestServer(FakeEngine(.waits)).post("/v1/completions", #"{"prompt": "\#(String(repeating: "x", count: 100_001))"}"#)
    #expect(
      longer.status == 400 && longer.error?["code"]?.string == "context_length_exceeded" && longer.error?["param"]?.string == "prompt")
    let full = try TestServer(FakeEngine(.refuses(.queueFull(waiting: 3)))).post(Self.chat, Self.hello + #", "stream": true}"#)
    #expect(full.status == 503 && full.headers["retry-after"] == "1" && full.error?["type"]?.string == "overloaded_error")
    let broken = try TestServer(FakeEngine(.says(["x"], .failed("no memory"))))
    let whole = try broken.post(Self.chat, Self.hello + "}")
    #expect(whole.status == 500 && whole.error?["message"]?.string == "the answer failed: no memory")
    let streamed = try broken.post(Self.chat, Self.hello + #", "stream": true}"#)
    #expect(streamed.status == 200 && streamed.eventJSON.last?["error"]?["code"]?.string == "generation_failed")
    #expect(!streamed.events.contains("[DONE]"))
  }

  @Test("the page comes with a policy, HEAD without a body, health and metrics in words of their own")
  func others() throws {
    let server = try TestServer(FakeEngine(.says(["x", "y"], .stop)))
    let page = try server.ask("GET", "/?utm=1")
    #expect(page.body == TestServer.html && page.headers["content-type"] == "text/html; charset=utf-8")
    #expect(page.headers["content-security-policy"]?.hasPrefix("default-src 'none'; script-src 'sha256-") == true)
    #expect(page.headers["x-content-type-options"] == "nosniff" && page.headers["referrer-policy"] == "no-referrer")
    #expect(page.headers["access-control-allow-origin"] == nil)
    let head = try server.ask("HEAD", "/")
    #expect(head.status == 200 && head.headers["content-length"] == "\(TestServer.html.utf8.count)")
    #expect(try server.ask("GET", "/health").json == ["status": "ok"])
    _ = try server.post(Self.chat, Self.hello + "}")
    _ = try server.post(Self.chat, "{")
    let metrics = try server.ask("GET", "/metrics").body
    for line in [
      "hoof_requests_total{path=\"/v1/chat/completions\",status=\"200\"} 1",
      "hoof_requests_total{path=\"/v1/chat/completions\",status=\"400\"} 1",
      "hoof_prompt_tokens_total{model=\"toy\"} 9", "hoof_answer_tokens_total{model=\"toy\"} 2",
      "hoof_answers_total{model=\"toy\",reason=\"stop\"} 1", "hoof_first_token_seconds_bucket{model=\"toy\",le=\"+Inf\"} 1",
      "hoof_slots{model=\"toy\"} 1", "hoof_streams_active 0",
    ] { #expect(metrics.contains(line + "\n"), "\(line)") }
  }

  @Test("pages of another origin are let in only where that was asked for")
  func crossOrigin() throws {
    let closed = try TestServer(FakeEngine(.says(["x"], .stop)))
    #expect(try closed.post(Self.chat, Self.hello + "}", ["Origin: https://a.example"]).status == 403)
    #expect(try closed.ask("OPTIONS", Self.chat, ["Origin: https://a.example"]).status == 403)
    #expect(try closed.ask("GET", "/health", ["Host: evil.example"]).status == 403)
    let open = try TestServer(FakeEngine(.says(["x"], .stop))) { $0.origin = "https://a.example" }
    let preflight = try open.ask("OPTIONS", Self.chat, ["Origin: https://a.example"])
    #expect(preflight.status == 204 && preflight.headers["access-control-allow-origin"] == "https://a.example")
    let answer = try open.post(Self.chat, Self.hello + "}", ["Origin: https://a.example"])
    #expect(answer.status == 200 && answer.headers["access-control-allow-origin"] == "https://a.example")
  }

  @Test("without the key nothing is told of models")
  func key() throws {
    let server = try TestServer(FakeEngine(.says(["x"], .stop))) { $0.key = "secret" }
    let refused = try server.ask("GET", "/v1/models")
    #expect(refused.status == 401 && refused.error?["code"]?.string == "missing_api_key" && refused.headers["www-authenticate"] == "Bearer")
    #expect(try server.ask("GET", "/v1/models", ["Authorization: Bearer secret"]).status == 200)
    #expect(try server.ask("GET", "/").status == 200)
  }
}
