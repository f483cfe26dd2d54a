/// Why a tokenizer, a text or a chat cannot be used. Messages are one line and name the field.
public enum TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file contradicts itself or the format.
  case invalid(String)
  /// The file is sound but asks for something this module does not do; the text names it.
  case unsupported(String)
  /// Bytes given as text are not UTF-8; `offset` is the first that is not.
  case notUTF8(offset: Int)

  public var description: String {
    switch self {
    case .invalid(let reason): "tokenizer: \(reason)"
    case .unsupported(let what): "tokenizer: \(what) is not supported"
    case .notUTF8(let offset): "the text is not UTF-8 at byte \(offset)"
    }
  }
}
