import Evaluation
import Formats
import JSON
import TensorCore
import Terminal
import Tokenization
import Transformer

/// One run of `hoof eval MODEL --perplexity FILE`: reads and checks everything, measures, prints.
struct PerplexityRun {
  private let arguments: Arguments
  private let modelPath: String
  private let textPath: String
  private let method: PerplexityProtocol

  /// Half of it must still hold a token to be scored and one before it.
  static let leastWindow = 4

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    modelPath = arguments.first("MODEL")!
    textPath = arguments.string("perplexity")!
    method = arguments.string("protocol").flatMap(PerplexityProtocol.init) ?? .windows
    if arguments.has("detokenize"), method != .word {
      throw UsageError(command: "eval", "--detokenize goes with --protocol word")
    }
  }

  func run() throws {
    Interrupt.catchSignals()
    let source = try Models.open(modelPath)
    let window = try self.window(source.config)
    let tokenizer = try Models.requiredTokenizer(of: source)
    let setting = PerplexitySetting(method, window: window, bos: try beginToken(source, tokenizer))
    let text = try EvaluationText(path: textPath)
    let subject: Subject =
      method == .word ? .documents(documents(text, tokenizer), context: try context(source, setting)) : .text(ids(text, tokenizer))
    try source.checkFinite()
    let backend = try openBackend(arguments, for: source)
    let model = try Llama(source, on: backend)

    let start = ContinuousClock.now
    let result = try measure(model, subject, of: text, setting)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard result.loss.isFinite else {
      throw CommandError(
        "the model's loss is not a number", at: modelPath, advice: "its weights overflow: check the file it was made from")
    }
    let profile = (backend as? ProfilingBackend)?.profile()
    if let profile { Output.note(profile.table) }
    guard arguments.has("json") else { return try Output.write(result.text(model: modelPath, text: textPath, seconds: seconds)) }
    var report: JSON.Object = [
      "format": "hoof-eval", "version": 1,
      "model": ["path": .string(modelPath), "fingerprint": .string(source.fingerprint())], "backend": .string(backend.name),
      "seconds": .double(seconds),
      "perplexity": .object(result.json(of: text)),
    ]
    if let profile { report["profile"] = profile.json }
    try Output.line(JSON.object(report).text(pretty: true))
  }

  private enum Subject {
    case text([Int32])
    case documents([WordPerplexity.Document], context: Int32)
  }

  private func measure(_ model: Llama, _ subject: Subject, of text: EvaluationText, _ setting: PerplexitySetting) throws -> PerplexityResult
  {
    let limit = arguments.int("limit")
    let tokens =
      switch subject {
      case .text(let ids): limit.map { $0 < ids.count / setting.window ? $0 * setting.window : ids.count } ?? ids.count
      case .documents(let documents, _): documents.reduce(0) { $0 + $1.ids.count }
      }
    let progress = Progress("measuring", total: Double(tokens), unit: .items("tokens"), quiet: arguments.has("quiet"))
    func advance(_ step: ScoringProgress) throws {
      switch step {
      case .note(let note): progress.note("hoof: \(note)")
      case .rows(let count): progress.advance(by: Double(count))
      }
      try Interrupt.check()
    }
    defer { progress.finish() }
    do {
      switch subject {
      case .text(let ids): return .text(try Perplexity(model, text: ids, setting, limit: limit, monitor: advance))
      case .documents(let documents, let context):
        let result = try WordPerplexity(
          model, documents: documents, window: setting.window, bos: setting.bos, context: context, monitor: advance)
        return .documents(result, of: text.documents.count)
      }
    } catch let error as EvaluationError {
      if case .tooShort = error { throw CommandError("\(textPath): \(error)") }
      throw error
    }
  }

  /// What --window says, or the protocol's usual one as far as the context allows.
  private func window(_ config: LlamaConfig) throws -> Int {
    guard config.contextLength >= PerplexityRun.leastWindow else {
      throw CommandError("the model's context of \(config.contextLength) tokens is too short for a window", at: modelPath)
    }
    guard let asked = arguments.int("window") else { return min(method.usualWindow ?? config.contextLength, config.contextLength) }
    guard asked <= config.contextLength else {
      throw UsageError(command: "eval", "--window \(asked): \(modelPath) has a context of \(config.contextLength) tokens")
    }
    return asked
  }

  /// The tokenizer's own template decides, unless the user does.
  private func beginToken(_ source: ModelSource, _ tokenizer: Tokenizer) throws -> Int32? {
    if arguments.has("no-bos") { return nil }
    let begin = tokenizer.bosTokens
    guard begin.count < 2 else {
      throw CommandError(
        "its tokenizer puts \(begin.count) tokens in front of a text, and the protocols know one", at: modelPath,
        advice: "--no-bos leaves them out")
    }
    guard begin.isEmpty, arguments.has("bos") else { return begin.first }
    guard let token = source.config.bosToken, token < source.config.vocabularySize else {
      throw CommandError("the model names no begin token for --bos", at: modelPath, advice: "leave --bos out")
    }
    return Int32(token)
  }

  private func context(_ source: ModelSource, _ setting: PerplexitySetting) throws -> Int32 {
    if let bos = setting.bos { return bos }
    guard let token = source.config.bosToken ?? source.config.eosTokens.first, token < source.config.vocabularySize else {
      throw CommandError(
        "the model names neither a begin nor an end token, from which a document's first token could be predicted", at: modelPath,
        advice: "take another protocol")
    }
    return Int32(token)
  }

  private func ids(_ text: EvaluationText, _ tokenizer: Tokenizer) -> [Int32] {
    var whole = text.whole
    // As llama-perplexity reads its file.
    if method == .llamaCpp, whole.unicodeScalars.last == "\n" { whole.unicodeScalars.removeLast() }
    return tokenizer.encode(whole, template: false)
  }

  private func documents(_ text: EvaluationText, _ tokenizer: Tokenizer) -> [WordPerplexity.Document] {
    text.documents.prefix(arguments.int("limit") ?? text.documents.count).map { document in
      let read = arguments.has("detokenize") ? WikiTextDetokenizer.detokenized(document) : document
      return .init(
        ids: tokenizer.encode(read, template: false), words: EvaluationText.wordCount(document), bytes: document.utf8.count)
    }
  }
}
