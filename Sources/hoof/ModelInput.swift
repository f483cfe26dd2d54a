import Evaluation
import Formats
import JSON
import Terminal
import Tokenization

/// The model's tokenizer, or an error that says what is wrong with it.
func loadTokenizer(_ source: ModelSource) throws -> Tokenizer {
  guard let bytes = source.tokenizer else {
    throw CommandError("the model has no tokenizer", at: source.path, advice: "put its tokenizer.json beside the weights")
  }
  let tokenizer: Tokenizer
  do throws(TokenizerError) { tokenizer = try Tokenizer(json: bytes) } catch { throw CommandError("tokenizer.json: \(error)", at: source.path) }
  guard tokenizer.vocabularySize <= source.config.vocabularySize else {
    throw CommandError(
      "the tokenizer does not fit: it has \(tokenizer.vocabularySize) tokens, the model \(source.config.vocabularySize)", at: source.path)
  }
  return tokenizer
}
