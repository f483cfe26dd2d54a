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
  public enum Name: String, Sendable, CaseIterable { case llama3, llama31 = "llama3.1", llama2, chatml, zephyr, plain }

  /// - Parameter name: a format to use instead of the model's own.
  public init(_ source: ModelSource, _ tokenizer: Tokenizer, named name: Name? = nil) {
    func piece(_ id: Int?) -> String { id.flatMap { tokenizer.piece(Int32($0)) } ?? "" }
    let (bos, eos) = (piece(source.config.bosToken), piece(source.config.endToken))
    switch name {
    case .llama3: self = .template(ChatTemplate(.llama3, bos: bos, eos: eos))
    case .llama31: self = .template(ChatTemplate(.llama31, bos: bos, eos: eos))
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

  /// Whether there is nothing that says how this model is talked to.
  public var isAbsent: Bool { if case .absent = self { true } else { false } }

  /// The template that conversations go through; nil for the plain format.
  /// - Throws: why this tokenizer cannot write the template, or that the model's own is unknown.
  public func template(for tokenizer: Tokenizer) throws(ChatFormatError) -> ChatTemplate? {
    switch self {
    case .plain, .absent: return nil
    case .unknown(let reason): throw ChatFormatError("\(reason); name one with --chat-template")
    case .template(let template):
      for token in template.tokens where token.isEmpty || tokenizer.encode(token, template: false).count != 1 {
        let name = token.isEmpty ? "token that ends a text" : "token '\(token)'"
        throw ChatFormatError(
          "the tokenizer has no \(name), which the chat template \(template.family.rawValue) needs; take --chat-template plain")
      }
      return template
    }
  }

  /// A question and its answer each, in the plain format; the last one's answer may be missing.
  public static func pairs(_ messages: [ChatTemplate.Message]) throws(ChatFormatError) -> [[ChatTemplate.Part]] {
    var groups: [[ChatTemplate.Part]] = []
    var opening = ""
    for (index, message) in messages.enumerated() {
      // A question is open when its answer is to come.
      let isOpen = groups.last?.count == 1
      switch message.role {
      case "system" where index == 0: opening = message.content + "\n\n"
      case "user" where !isOpen:
        groups.append([.init("\(opening)Question: \(message.content)\nAnswer:", isAnswer: false)])
        opening = ""
      case "assistant" where isOpen: groups[groups.count - 1].append(.init(" \(message.content)", isAnswer: true))
      default:
        throw ChatFormatError(
          "message \(index) is of '\(message.role)'; the plain format has an optional system message, then user and assistant in turn")
      }
    }
    return groups
  }
}

/// Why a conversation cannot be written in a format.
public struct ChatFormatError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
  init(_ reason: String) { description = reason }
}
