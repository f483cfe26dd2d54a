import Formats
import Generation
import TensorCore
import Terminal
import Tokenization
import Transformer

/// A model that writes: opened, on a backend, and what it takes to ask it for something.
struct WritingModel {
  let source: ModelSource
  let tokenizer: Tokenizer
  let model: Llama
  private let arguments: Arguments

  /// Kept free for a conversation, unless the user says; longer contexts cost memory that few conversations need.
  static let usualContext = 8192

  /// - Parameter isMeasured: whether what it writes is a measurement, which no faster arithmetic may touch.
  init(_ path: String, _ arguments: Arguments, isMeasured: Bool = false) throws {
    self.arguments = arguments
    source = try Models.open(path)
    tokenizer = try Models.requiredTokenizer(of: source)
    let asked = arguments.offers("context") ? arguments.int("context") : nil
    if let asked, asked > source.config.contextLength {
      throw UsageError(
        command: arguments.command, "--context \(asked): \(path) has a context of \(source.config.contextLength) tokens")
    }
    guard source.config.contextLength >= 2 else {
      throw CommandError("the model's context of \(source.config.contextLength) tokens has no room for an answer", at: path)
    }
    model = try Llama(source, on: openBackend(arguments, for: source, writesText: !isMeasured))
  }

  var backend: any ComputeBackend { model.backend }

  /// What a conversation has room for.
  var contextLength: Int { arguments.int("context") ?? min(WritingModel.usualContext, source.config.contextLength) }

  func engine(slots: Int, contextLength: Int, queue: Int = 0) throws -> GenerationEngine {
    do {
      return try GenerationEngine(model, tokenizer, slots: slots, contextLength: contextLength, queue: queue)
    } catch BackendError.outOfMemory(_, let free) {
      let bytes = GenerationEngine.cacheBytes(model, slots: slots, contextLength: contextLength)
      throw CommandError(
        "keys and values of \(slots > 1 ? "\(slots) times " : "")\(contextLength) tokens take \(ByteCount(bytes)), \(ByteCount(free)) are free",
        at: source.path, advice: "a smaller --context takes less")
    }
  }

  /// The format that --chat-template names, or the model's own; plain where it has none.
  func chat() throws -> ChatPrompt {
    let name = arguments.string("chat-template").flatMap(ChatFormat.Name.init)
    do throws(ChatFormatError) {
      return try ChatPrompt(ChatFormat(source, tokenizer, named: name), tokenizer, source.config)
    } catch {
      throw CommandError(
        "\(source.path): chat_template: \(error)",
        advice: arguments.offers("raw") ? "or go on with the prompt as it stands with --raw" : nil)
    }
  }

  /// Whether conversations have a format of their own, the model's or a named one.
  var isTalkedTo: Bool { source.chatTemplate != nil || arguments.has("chat-template") }

  var ends: Set<Int32> { Set(source.config.eosTokens.map(Int32.init)) }

  func request(_ ids: [Int32]) -> GenerationRequest { GenerationRequest(prompt: ids, stopTokens: ends) }

  func request(_ messages: [ChatTemplate.Message], _ chat: ChatPrompt) throws -> GenerationRequest {
    do throws(ChatFormatError) {
      let prompt = try chat.prompt(for: messages)
      return GenerationRequest(
        prompt: prompt.ids, stopTokens: prompt.stopTokens, stopStrings: prompt.stopStrings, leading: prompt.leading)
    } catch { throw CommandError("\(error)") }
  }
}

extension String {
  /// As a terminal may show it: what a model writes must not move the cursor or worse.
  var forTerminal: String {
    guard unicodeScalars.contains(where: \.isDangerous) else { return self }
    var text = ""
    for scalar in unicodeScalars { text.unicodeScalars.append(scalar.isDangerous ? "\u{fffd}" : scalar) }
    return text
  }
}

extension Unicode.Scalar {
  fileprivate var isDangerous: Bool { properties.generalCategory == .control && self != "\n" && self != "\t" }
}
