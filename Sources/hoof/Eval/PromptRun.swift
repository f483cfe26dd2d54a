import Evaluation
import Formats
import Generation
import JSON
import TensorCore
import Terminal
import Tokenization
import Transformer

/// One run of `hoof eval MODEL --prompts FILE`: has the prompts answered side by side, and holds the answers to their checks.
struct PromptRun {
  private let arguments: Arguments
  private let sampling: Sampler.Options
  private let modelPath: String
  private let promptPath: String

  static let usualLimit = 256
  static let usualSlots = 8

  /// What goes with --prompts alone.
  static let options: [CommandOption] =
    [
      .maxNewTokens("\(usualLimit), or what the prompt's line says"), .stop, .chatTemplate,
      CommandOption("raw", help: "go on with prompts as they stand, also where the model has a chat template"),
      CommandOption("slots", .int(1...1024), help: "answers written side by side (default: \(usualSlots))"),
    ] + CommandOption.sampling(temperature: 0) + [
      .context("the model's, at most \(WritingModel.usualContext)"),
      .output("write the answers to this file, one JSON object per line; with --tasks the scores, as lm_eval writes them"),
      .force,
    ]

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    sampling = try Sampler.Options(arguments, temperature: 0)
    modelPath = arguments.first("MODEL")!
    promptPath = arguments.string("prompts")!
    if arguments.strings("stop").contains("") { throw UsageError(command: "eval", "--stop: the text is empty") }
  }

  func run() throws {
    Interrupt.catchSignals()
    if let output = arguments.string("output") { try AtomicFile.check(output, force: arguments.has("force")) }
    let file: PromptFile
    do throws(FormatError) { file = try PromptFile(path: promptPath) } catch { throw CommandError(error.description) }
    let cases = Array(file.cases.prefix(arguments.int("limit") ?? file.cases.count))
    let writer = try WritingModel(modelPath, arguments, isMeasured: true)
    let requests = try requests(cases, writer)

    let start = ContinuousClock.now
    let answers = try answers(to: requests, cases, writer)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let report = PromptReport(
      model: modelPath, prompts: promptPath, sha256: file.sha256, backend: writer.backend.name, sampling: sampling, seconds: seconds,
      results: zip(cases, answers).map { PromptResult($0, $1) }, of: file.cases.count)
    let profile = (writer.backend as? ProfilingBackend)?.profile()
    if let profile { Output.note(profile.table) }
    if let output = arguments.string("output") {
      try AtomicFile.write(report.results.map { $0.json.text() + "\n" }.joined(), to: output, force: arguments.has("force"))
    }
    try Output.write(arguments.has("json") ? report.json.text(pretty: true) + "\n" : report.text)
    let failed = report.results.count { !$0.hasPassed }
    if failed > 0 {
      throw CommandError(
        "\(failed) of \(report.results.count) prompts failed", at: promptPath,
        advice: arguments.has("output") ? nil : "-o FILE or --json shows their answers")
    }
  }

  private func requests(_ cases: [PromptCase], _ writer: WritingModel) throws -> [GenerationRequest] {
    let talks = writer.isTalkedTo && !arguments.has("raw")
    var chat: ChatPrompt?
    return try cases.enumerated().map { index, item in
      var messages: [ChatTemplate.Message]?
      switch item.prompt {
      case .messages(let list): messages = list
      case .text(let text): if talks { messages = [.init(role: "user", content: text)] }
      }
      var request: GenerationRequest
      if let messages {
        if chat == nil { chat = try writer.chat() }
        do { request = try writer.request(messages, chat!) } catch { throw CommandError("\(promptPath): \(item.place): \(error)") }
      } else if case .text(let text) = item.prompt {
        let ids = writer.tokenizer.encode(text, template: false)
        let begin = writer.tokenizer.bosTokens
        request = writer.request(ids.starts(with: begin) ? ids : begin + ids)
      } else {
        preconditionFailure("a prompt is a text or has messages")
      }
      (request.sampling, request.stream) = (sampling, index)
      request.limit = arguments.int("max-new-tokens") ?? item.limit ?? PromptRun.usualLimit
      request.stopStrings += arguments.strings("stop")
      return request
    }
  }

  /// An answer per request, or why there is none.
  private func answers(
    to requests: [GenerationRequest], _ cases: [PromptCase], _ writer: WritingModel
  ) throws -> [Result<CollectedAnswer, CommandError>] {
    let longest = requests.map { $0.prompt.count + $0.limit! }.max() ?? 2
    let engine = try writer.engine(
      slots: min(arguments.int("slots") ?? PromptRun.usualSlots, requests.count),
      contextLength: max(2, min(writer.contextLength, longest)), queue: requests.count)
    let answers = requests.map { request -> Result<CollectedAnswer, CommandError> in
      let answer = CollectedAnswer()
      do throws(GenerationError) {
        try engine.submit(request, deliver: answer.deliver)
        return .success(answer)
      } catch { return .failure(CommandError("\(error)")) }
    }
    let progress = Progress("answering", total: Double(cases.count), unit: .items("prompts"), quiet: arguments.has("quiet"))
    defer { progress.finish() }
    let counter = Counter()
    while try engine.step() {
      let load = engine.load
      progress.advance(by: Double(counter.step(to: load.finished)), label: "\(LargeCount(load.tokensWritten)) tokens")
      try Interrupt.check()
    }
    return answers
  }
}

/// A prompt with its answer, and what of its checks the answer does not pass.
struct PromptResult {
  let item: PromptCase
  let text: String
  let tokens: Int
  let words: Int
  let end: FinishReason?
  /// One per check.
  let objections: [String?]
  /// Why there is no answer.
  let failure: String?

  init(_ item: PromptCase, _ answer: Result<CollectedAnswer, CommandError>) {
    self.item = item
    switch answer {
    case .failure(let error):
      (text, tokens, words, end, failure) = ("", 0, 0, nil, "\(error)")
      objections = item.checks.map { _ in "\(error)" }
    case .success(let answer):
      let reason = answer.end?.reason
      let checked = PromptCheck.Answer(text: answer.text, ids: answer.tokens.map(\.id), hasStopped: reason == .stop)
      (text, tokens, words, end) = (answer.text, answer.end?.usage.answerTokens ?? 0, checked.words, reason)
      if case .failed(let why)? = reason { failure = why } else { failure = nil }
      objections = item.checks.map { $0.objection(to: checked) }
    }
  }

  var hasPassed: Bool { failure == nil && objections.allSatisfy { $0 == nil } }

  var why: String {
    if let failure { return failure }
    return zip(item.checks, objections).compactMap { check, objection in objection.map { "\(check.name.rawValue): \($0)" } }
      .joined(separator: "; ")
  }

  var json: JSON {
    var object: JSON.Object = ["name": .string(item.name), "place": .string(item.place), "passed": .bool(hasPassed)]
    switch item.prompt {
    case .text(let text): object["prompt"] = .string(text)
    case .messages(let messages):
      object["messages"] = .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })
    }
    object["output"] = .string(text)
    object["tokens"] = .int(tokens)
    object["words"] = .int(words)
    object["finish_reason"] = end.map { .string($0.name) } ?? .null
    if let failure { object["error"] = .string(failure) }
    object["checks"] = .array(
      zip(item.checks, objections).map { check, objection in
        var entry: JSON.Object = ["check": .string(check.name.rawValue), "passed": .bool(objection == nil)]
        if let objection { entry["why"] = .string(objection) }
        return .object(entry)
      })
    return .object(object)
  }
}
