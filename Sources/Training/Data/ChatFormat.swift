import Formats
import Tokenization

/// How conversations and instructions become text.
public enum ChatFormat: Sendable {
  case template(ChatTemplate)
  /// `Question: {user}\nAnswer: {assistant}` and the model's end token, one pair behind another; a system message stands in front, with an
  /// empty line behind it.
  case plain
  /// The model has no template and nobody named one: conversations as `plain`, instructions in the prompt of Alpaca.
  case absent
  /// The model has one that nobody here knows.
  case unknown(reason: String)

  /// What a user can ask for.
  public enum Name: String, Sendable, CaseIterable { case llama3, llama2, chatml, zephyr, plain }

  /// - Parameter name: a format to use instead of the model's own.
  public init(_ source: ModelSource, _ tokenizer: Tokenizer, named name: Name? = nil) {
    func piece(_ id: Int?) -> String { id.flatMap { tokenizer.piece(Int32($0)) } ?? "" }
    let (bos, eos) = (piece(source.config.bosToken), piece(source.config.endToken))
    switch name {
    case .llama3: self = .template(ChatTemplate(.llama3, bos: bos, eos: eos))
    case .llama2: self = .template(ChatTemplate(.llama2, bos: bos, eos: eos))
    case .chatml: self = .template(ChatTemplate(.chatML, bos: bos, eos: eos))
    case .zephyr: self = .template(ChatTemplate(.zephyr, bos: bos, eos: eos))
    case .plain: self = .plain
    case nil:
      guard let text = source.chatTemplate else {
        self = .absent
        return
      }
      do throws(TokenizerError) { self = .template(try ChatTemplate(text, bos: bos, eos: eos)) } catch {
        self = .unknown(reason: "\(error)")
      }
    }
  }

  var isAbsent: Bool { if case .absent = self { true } else { false } }
}
