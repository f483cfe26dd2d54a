import BackendCPU
import Generation
import TensorCore
import TestSupport
import Testing
import Tokenization
import Transformer

/// Requests that come and go.
struct EngineTests {
  let example: Example

  init() throws { example = try Example() }

  private func request(_ text: String, limit: Int? = 30, sampling: Sampler.Options = .greedy) -> GenerationRequest {
    GenerationRequest(prompt: example.ids(text), sampling: sampling, limit: limit)
  }

  /// Each alone, in an engine of its own.
  private func alone(_ requests: [GenerationRequest]) throws -> [Answer] { try requests.map { try example.engine().answer($0) } }

  @Test("answers written side by side are those written one by one, also when drawn", arguments: [0, 0.9])
  func sideBySide(temperature: Double) throws {
    let sampling = Sampler.Options(temperature: temperature, topK: 40, topP: 0.95, minP: 0.02, repetitionPenalty: 1.1, seed: 5)
    let requests = Example.prompts.map { request($0, sampling: sampling) }
    let expected = try alone(requests)
    let engine = try example.engine(slots: 3)
    let answers = try requests.map(engine.start)
    #expect(engine.load.waiting == 5)
    try engine.drain()
    #expect(answers.map(\.text) == expected.map(\.text) && answers.map(\.ids) == expected.map(\.ids))
    #expect(answers.allSatisfy { $0.reason == .length && $0.ids.count == 30 && !$0.text.isEmpty })
    #expect(answers.map(\.text) == answers.map { example.tokenizer.decode($0.ids, skipSpecial: true) })
    #expect(engine.load.active == 0 && engine.load.waiting == 0 && engine.load.finished == 5 && engine.load.tokensWritten == 150)
  }

  @Test("draws depend on seed and stream")
  func streams() throws {
    func text(seed: UInt64, stream: Int) throws -> String {
      var request = request("Once upon a time", sampling: .init(temperature: 1, seed: seed))
      request.stream = stream
      return try example.engine().answer(request).text
    }
    let texts = try [(1, 0), (1, 0), (1, 1), (2, 0)].map { try text(seed: $0.0, stream: $0.1) }
    #expect(texts[0] == texts[1] && Set(texts).count == 3)
  }

  @Test("a prompt that goes on from an earlier answer is read from there on, and the answer is the same")
  func reuse() throws {
    let first = try #require(try alone([request(Example.prompts[0])]).first)
    let longer = GenerationRequest(prompt: example.ids(Example.prompts[0]) + first.ids + example.ids(" The end.").dropFirst(), limit: 20)
    let expected = try example.engine().answer(longer)
    #expect(expected.usage?.reusedTokens == 0)

    let engine = try example.engine()
    _ = try engine.answer(request(Example.prompts[0]))
    let again = try engine.answer(longer)
    #expect(again.text == expected.text && again.ids == expected.ids)
    // All but the last token of the first answer, which never went through the model.
    #expect(again.usage?.reusedTokens == example.ids(Example.prompts[0]).count + 29)
    // The very same prompt: its last token is read again.
    let same = try engine.answer(longer)
    #expect(same.ids == expected.ids && same.usage?.reusedTokens == longer.prompt.count - 1)
    #expect(engine.load.tokensReused == (again.usage?.reusedTokens ?? 0) + longer.prompt.count - 1)
  }

  @Test("what another slot holds is copied: a common beginning is read once, and both conversations stay")
  func sharedPrefix() throws {
    let opening = String(repeating: "Lily had a cat. The cat was big and red. ", count: 4)
    let requests = ["She said", "One day", "The dog"].map { request(opening + $0) }
    let expected = try alone(requests)
    let common = zip(requests[0].prompt, requests[1].prompt).prefix { $0 == $1 }.count
    #expect(common > 20)

    // Free slots, one after another.
    let engine = try example.engine(slots: 3)
    for (index, request) in requests.enumerated() {
      let answer = try engine.answer(request)
      #expect(answer.text == expected[index].text)
      #expect((answer.usage?.reusedTokens ?? 0) >= (index == 0 ? 0 : 20))
    }
    for (request, answer) in zip(requests, expected) {
      let again = try engine.answer(request)
      #expect(again.text == answer.text && again.usage?.reusedTokens == request.prompt.count - 1)
    }

    // From a slot whose answer is still being written.
    let busy = try example.engine(slots: 2)
    let first = try busy.start(requests[0])
    for _ in 0..<10 { try busy.step() }
    let second = try busy.start(requests[1])
    try busy.drain()
    #expect(first.text == expected[0].text && second.text == expected[1].text && second.usage?.reusedTokens == common)
  }

  @Test("a long prompt is read in parts, and answers go on meanwhile")
  func chunks() throws {
    let long = request(String(repeating: Example.prompts[3] + ". ", count: 30), limit: 5)
    #expect(long.prompt.count > 300)
    let expected = try alone([request(Example.prompts[0], limit: 40), long])
    let engine = try example.engine(slots: 2)
    let running = try engine.start(request(Example.prompts[0], limit: 40))
    for _ in 0..<3 { try engine.step() }
    let reading = try engine.start(long)
    var steps = 0
    while reading.text.isEmpty {
      let before = running.ids.count
      try engine.step()
      steps += 1
      #expect(running.ids.count == before + 1 || running.reason != nil)
    }
    #expect(steps > 5)
    try engine.drain()
    #expect(running.text == expected[0].text && reading.text == expected[1].text)
  }

  @Test("a stop token ends an answer and is no part of it; a stop string does, wherever the tokens' borders lie")
  func stops() throws {
    let whole = try #require(try alone([request(Example.prompts[0], limit: 60)]).first)
    var stopped = request(Example.prompts[0], limit: 60)
    stopped.stopTokens = [whole.ids[12]]
    let first = try #require(whole.ids.firstIndex(of: whole.ids[12]))
    let byToken = try example.engine().answer(stopped)
    #expect(byToken.reason == .stop && byToken.ids == Array(whole.ids[..<first]) && byToken.usage?.answerTokens == first + 1)

    // Every stretch of five characters: some begin and end within tokens.
    let text = Array(whole.text)
    for start in stride(from: 3, to: text.count - 5, by: 4) {
      let stop = String(text[start..<start + 5])
      var request = request(Example.prompts[0], limit: 60)
      request.stopStrings = ["never written", stop]
      let answer = try example.engine().answer(request)
      let end = try #require(String(text).range(of: stop))
      #expect(answer.reason == .stop && answer.text == String(text)[end], "before '\(stop)'")
    }
  }

  @Test("logprobs are the model's own, with the likeliest tokens beside, whatever sampling does")
  func logprobs() throws {
    var request = request(Example.prompts[1], limit: 8, sampling: .init(temperature: 2, topK: 50, repetitionPenalty: 1.5, seed: 3))
    request.logprobs = 4
    let answer = try example.engine().answer(request)
    #expect(answer.tokens.count == 8)
    let all = try example.model.logits([request.prompt + answer.ids])[0]
    for (index, token) in answer.tokens.enumerated() {
      let row = try all.rows(request.prompt.count - 1 + index..<request.prompt.count + index).floats()
      let highest = Double(row.max()!)
      let sum = row.reduce(0) { $0 + exponential(Double($1) - highest) }
      let expected = { (id: Int32) in Double(row[Int(id)]) - highest - logarithm(sum) }
      // Logits of one row and of many rows differ in their last bits.
      #expect(abs(Double(token.logprob ?? 0) - expected(token.id)) < 1e-3)
      let likeliest = row.indices.sorted { row[$0] > row[$1] }.prefix(4).map { Int32($0) }
      #expect(token.alternatives.map(\.id) == likeliest)
      #expect(token.alternatives.allSatisfy { abs(Double($0.logprob) - expected($0.id)) < 1e-3 })
      #expect(token.alternatives.allSatisfy { $0.bytes == example.tokenizer.decodeBytes($0.id) })
    }
  }

  @Test("the repetition penalty is that of transformers, also without drawing")
  func penalty() throws {
    let sampling = Sampler.Options(repetitionPenalty: 1.4)
    let request = request(Example.prompts[2], limit: 25, sampling: sampling)
    let answer = try example.engine().answer(request)
    var ids = request.prompt
    for _ in 0..<25 {
      var row = try example.model.logits([ids])[0].rows(ids.count - 1..<ids.count).floats()
      for id in Set(ids) { row[Int(id)] = row[Int(id)] < 0 ? row[Int(id)] * 1.4 : row[Int(id)] / 1.4 }
      ids.append(Int32(row.firstIndex(of: row.max()!)!))
    }
    #expect(answer.ids == Array(ids.dropFirst(request.prompt.count)))
    #expect(try example.engine().answer(self.request(Example.prompts[2], limit: 25)).ids != answer.ids)
  }
}
