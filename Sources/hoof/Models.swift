import Evaluation
import Formats
import Terminal
import Tokenization

/// Opening what a command was pointed at; the format modules' errors, which name file and field, become the command's.
enum Models {
  static func open(_ path: String) throws(CommandError) -> ModelSource {
    do throws(FormatError) { return try ModelSource.open(path: path) } catch { throw CommandError(error.description) }
  }

  /// A LoRA adapter of the model.
  /// - Parameter anyBase: takes one that was trained on another model of the same shape.
  static func adapter(_ path: String, for source: ModelSource, anyBase: Bool) throws(CommandError) -> AdapterFile {
    do throws(FormatError) {
      let adapter = try AdapterFile.open(path, for: source.config)
      if !anyBase { try adapter.check(isFor: source) }
      return adapter
    } catch { throw CommandError(error.description) }
  }

  /// The model's tokenizer, checked against its vocabulary; nil when it has none.
  static func tokenizer(of source: ModelSource) throws(CommandError) -> Tokenizer? {
    guard let bytes = source.tokenizer else { return nil }
    let tokenizer = try read(bytes, at: source.path)
    guard tokenizer.vocabularySize <= source.config.vocabularySize else {
      let counts = "it has ids up to \(tokenizer.vocabularySize - 1), the model has \(source.config.vocabularySize) embeddings"
      throw CommandError("\(source.path): tokenizer.json: does not fit the model: \(counts)")
    }
    return tokenizer
  }

  static func read(_ bytes: [UInt8], at path: String) throws(CommandError) -> Tokenizer {
    do throws(TokenizerError) {
      return try Tokenizer(json: bytes)
    } catch {
      throw CommandError("\(path): \(error)")
    }
  }

  /// The tokenizer, for commands that cannot do without.
  static func requiredTokenizer(of source: ModelSource) throws(CommandError) -> Tokenizer {
    if let tokenizer = try tokenizer(of: source) { return tokenizer }
    throw CommandError("the model has no tokenizer", at: source.path, advice: "put its tokenizer.json beside the weights")
  }

  /// Calibration texts as ids, as --max-tokens and --no-bos say.
  static func calibration(at path: String, for source: ModelSource, _ arguments: Arguments) throws -> Calibration {
    let tokenizer = try requiredTokenizer(of: source)
    return try Calibration(
      path: path, tokenizer: tokenizer, config: source.config, maxTokens: arguments.int("max-tokens") ?? 64, bos: !arguments.has("no-bos")
    ) { (messages) throws(FormatError) in try render(messages, for: source, tokenizer) }
  }

  /// A conversation as the text the model was trained on, special tokens included.
  static func render(
    _ messages: [ChatTemplate.Message], for source: ModelSource, _ tokenizer: Tokenizer
  ) throws(FormatError) -> String {
    guard let template = source.chatTemplate else {
      throw FormatError(source.path, "chat_template", "the model has none, and the data has messages")
    }
    let piece = { (id: Int?) in id.flatMap { tokenizer.piece(Int32($0)) } ?? "" }
    do throws(TokenizerError) {
      let chat = try ChatTemplate(template, bos: piece(source.config.bosToken), eos: piece(source.config.endToken))
      return try chat.render(messages)
    } catch {
      throw FormatError(source.path, "chat_template", "\(error)")
    }
  }
}
