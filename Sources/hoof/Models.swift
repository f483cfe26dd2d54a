import Formats
import Terminal
import Tokenization

/// Opening what a command was pointed at; the format modules' errors, which name file and field, become the command's.
enum Models {
  static func open(_ path: String) throws(CommandError) -> ModelSource {
    do throws(FormatError) { return try ModelSource.open(path: path) } catch { throw CommandError(error.description) }
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
}
