import Formats
import Generation
import JSON
import TensorCore
import Terminal
import Tokenization
import Transformer

/// One run of `hoof generate`: a prompt, an answer, and how fast it came.
struct GenerateRun {
  private let arguments: Arguments
  private let sampling: Sampler.Options

  static let usualTemperature = 0.0
  private static let usualLimit = 512

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    sampling = try Sampler.Options(arguments, temperature: GenerateRun.usualTemperature)
    if arguments.has("logprobs"), !arguments.has("json") { throw UsageError(command: "generate", "--logprobs goes with --json") }
    if let empty = arguments.strings("stop").firstIndex(of: "") {
      throw UsageError(command: "generate", "--stop: the text is empty (number \(empty + 1))")
    }
  }

  func run() throws {
    let text = try prompt()
    // Not before: who waits for standard input ends at once.
    Interrupt.catchSignals()
    let writer = try WritingModel(arguments.first("MODEL")!, arguments)
    var request = try request(for: text, writer)
    request.sampling = sampling
    request.limit = arguments.int("max-new-tokens") ?? GenerateRun.usualLimit
    request.stopStrings += arguments.strings("stop")
    request.logprobs = arguments.int("logprobs")
    if arguments.has("ignore-eos") { request.stopTokens = [] }

    let context = arguments.int("context") ?? writer.source.config.contextLength
    guard request.prompt.count < context else {
      throw CommandError("\(GenerationError.tooLong(promptTokens: request.prompt.count, contextLength: context))", at: writer.source.path)
    }
    let engine = try writer.engine(slots: 1, contextLength: min(context, request.prompt.count + request.limit!))
    let answer = CollectedAnswer()
    var clock = WritingClock()
    try engine.submit(request, deliver: answer.deliver)
    while try engine.step() {
      clock.note(engine.load)
      if !arguments.has("json") { try show(answer.takeText()) }
      try interrupt(answer)
    }
    guard let end = answer.end else { throw CommandError("the answer did not end", at: writer.source.path) }
    if case .failed(let reason) = end.reason { throw CommandError(reason, at: writer.source.path) }
    if !arguments.has("json"), !answer.text.hasSuffix("\n") { try Output.write("\n") }
    let profile = (writer.backend as? ProfilingBackend)?.profile()
    if let profile { Output.note(profile.table) }
    if !arguments.has("quiet") { Output.note("hoof: \(clock.summary(end, context: engine.contextLength, limit: request.limit!))") }
    if arguments.has("json") {
      try Output.line(report(text, request, answer, end, clock, writer).text(pretty: true))
    }
  }

  /// A half-written line is ended, and what was written stays on the screen.
  private func interrupt(_ answer: CollectedAnswer) throws {
    guard Interrupt.isRequested else { return }
    if !arguments.has("json"), !answer.text.isEmpty, !answer.text.hasSuffix("\n") { try Output.write("\n") }
    throw Interrupted()
  }

  private func show(_ text: String) throws(CommandError) {
    if !text.isEmpty { try Output.write(Output.isTerminal ? text.forTerminal : text) }
  }

  private func prompt() throws -> String {
    if let text = arguments.string("prompt") { return text }
    let place = arguments.string("file") ?? "standard input"
    var bytes = try arguments.string("file").map(Input.file) ?? Input.all()
    // The line end that every editor and every echo puts there is not meant.
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw CommandError("the prompt is not valid UTF-8", at: place) }
    return text
  }

  private func request(for text: String, _ writer: WritingModel) throws -> GenerationRequest {
    let isChat = arguments.has("chat") || arguments.has("system") || (writer.isTalkedTo && !arguments.has("raw"))
    if isChat {
      if arguments.has("no-bos") { throw UsageError(command: "generate", "--no-bos goes with --raw: the chat template decides") }
      let chat = try writer.chat()
      if arguments.has("verbose") { Output.note("hoof: the prompt is a user's message, in the format \(chat.name)") }
      let system = arguments.string("system").map { [ChatTemplate.Message(role: "system", content: $0)] } ?? []
      return try writer.request(system + [.init(role: "user", content: text)], chat)
    }
    let ids = writer.tokenizer.encode(text, template: false)
    let begin = arguments.has("no-bos") ? [] : writer.tokenizer.bosTokens
    let prompt = ids.starts(with: begin) ? ids : begin + ids
    guard !prompt.isEmpty else { throw CommandError("the prompt has no tokens", advice: "give -p, -f or standard input a text") }
    return writer.request(prompt)
  }

  private func report(
    _ text: String, _ request: GenerationRequest, _ answer: CollectedAnswer, _ end: (reason: FinishReason, usage: Usage),
    _ clock: WritingClock, _ writer: WritingModel
  ) -> JSON {
    var report: JSON.Object = [
      "format": "hoof-generate", "version": 1, "model": ["path": .string(writer.source.path)], "backend": .string(writer.backend.name),
      "prompt": .string(text), "prompt_tokens": .int(end.usage.promptTokens), "text": .string(answer.text),
      "ids": .array(answer.tokens.map { .int(Int($0.id)) }), "answer_tokens": .int(end.usage.answerTokens),
      "finish_reason": .string(end.reason.name), "sampling": sampling.json,
      "prompt_seconds": .double(clock.promptSeconds), "answer_seconds": .double(clock.answerSeconds),
      "prompt_tokens_per_second": .double(clock.promptRate(end.usage)), "tokens_per_second": .double(clock.rate(end.usage)),
    ]
    if request.logprobs != nil {
      report["logprobs"] = .array(
        answer.tokens.map { token in
          [
            "id": .int(Int(token.id)), "text": .string(String(decoding: token.bytes, as: UTF8.self)),
            "logprob": token.logprob.map { .double(Double($0)) } ?? nil,
            "top": .array(
              token.alternatives.map {
                [
                  "id": .int(Int($0.id)), "text": .string(String(decoding: $0.bytes, as: UTF8.self)),
                  "logprob": .double(Double($0.logprob)),
                ]
              }),
          ]
        })
    }
    if let profile = (writer.backend as? ProfilingBackend)?.profile() { report["profile"] = profile.json }
    return .object(report)
  }
}

/// When the prompt had been read and when the answer was there.
struct WritingClock {
  private let start = ContinuousClock.now
  private var firstToken: ContinuousClock.Instant?
  private var last = ContinuousClock.now
  private let before: Int

  /// - Parameter load: what the engine had done before.
  init(after load: EngineLoad = .init()) { before = load.tokensWritten }

  /// Call it after every step.
  mutating func note(_ load: EngineLoad) {
    last = .now
    if firstToken == nil, load.tokensWritten > before { firstToken = last }
  }

  var promptSeconds: Double { ((firstToken ?? last) - start) / .seconds(1) }
  /// After the first token, which comes with the end of the prompt.
  var answerSeconds: Double { (last - (firstToken ?? last)) / .seconds(1) }
  func promptRate(_ usage: Usage) -> Double { Double(usage.promptTokens - usage.reusedTokens) / max(promptSeconds, 1e-9) }
  func rate(_ usage: Usage) -> Double { answerSeconds > 0 ? Double(usage.answerTokens - 1) / answerSeconds : 0 }

  func summary(_ end: (reason: FinishReason, usage: Usage), context: Int, limit: Int) -> String {
    let usage = end.usage
    let why =
      end.reason != .length
      ? "" : usage.answerTokens < limit ? ", as many as the context of \(context) tokens holds" : ", as many as were allowed"
    let reused = usage.reusedTokens > 0 ? " (\(usage.reusedTokens) known already)" : ""
    var text = "\(usage.answerTokens) token\(usage.answerTokens == 1 ? "" : "s")\(why)"
    if usage.answerTokens > 1 { text += ", \(rate(usage).fixed(1)) tokens/s" }
    return text + "; prompt of \(usage.promptTokens) tokens\(reused) in \(TimeSpan(promptSeconds)), \(promptRate(usage).fixed(1)) tokens/s"
  }
}

extension FinishReason {
  /// As programs know it.
  var name: String {
    switch self {
    case .stop: "stop"
    case .length: "length"
    case .cancelled: "cancelled"
    case .failed: "failed"
    }
  }
}

extension Sampler.Options {
  var json: JSON {
    [
      "temperature": .double(temperature), "top_k": topK.map { .int($0) } ?? nil, "top_p": .double(topP), "min_p": .double(minP),
      "repetition_penalty": .double(repetitionPenalty), "seed": .int(Int(clamping: seed)),
    ]
  }
}
