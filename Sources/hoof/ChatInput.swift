import Formats
import JSON
import Tokenization

/// A conversation rendered with the model's chat template, special tokens included.
func renderChat(_ messages: [JSON], _ source: ModelSource, _ tokenizer: Tokenizer) throws(FormatError) -> String {
  throw FormatError(source.path, "chat_template", "not rendered yet")
}
