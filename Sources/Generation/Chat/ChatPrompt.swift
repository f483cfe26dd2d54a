import Formats
import Tokenization

/// Conversations as what a model reads and how its answer ends, in the format the model was trained with.
public struct ChatPrompt: Sendable {
  /// What stands in front of an answer, and how it ends.
  public struct Prompt: Sendable, Equatable {
    public let ids: [Int32]
    public let stopTokens: Set<Int32>
    public let stopStrings: [String]
    /// What the format has between the prompt and an answer, and the model writes: no part of what was said.
    public let leading: String
  }

  /// "Llama 3", "plain".
  public let name: String
  private let template: ChatTemplate?
  private let tokenizer: Tokenizer
  private let ends: Set<Int32>
  private let end: Int32?

  /// - Throws: why this model cannot be talked to in this format.
  public init(_ format: ChatFormat, _ tokenizer: Tokenizer, _ config: LlamaConfig) throws(ChatFormatError) {
    let template = try format.template(for: tokenizer)
    (self.template, self.tokenizer) = (template, tokenizer)
    name = template?.family.rawValue ?? "plain"
    end = config.endToken.map(Int32.init)
    ends = Set(config.eosTokens.map(Int32.init) + [template?.tokens.last.flatMap(tokenizer.id)].compactMap(\.self))
  }

  /// - Throws: what is wrong with the conversation: roles that the format does not know, or in an order it does not have.
  public func prompt(for messages: [ChatTemplate.Message]) throws(ChatFormatError) -> Prompt {
    guard let template else { return try plain(messages) }
    do throws(TokenizerError) {
      // Part by part, as examples are tokenised for training: no token lies across the border of an answer.
      var parts = try template.parts(messages)
      let rendered = try template.render(messages, addGenerationPrompt: true)
      let opening = String(rendered.utf8.dropFirst(parts.reduce(0) { $0 + $1.text.utf8.count })) ?? ""
      if let last = parts.last, !last.isAnswer {
        parts[parts.count - 1] = .init(last.text + opening, isAnswer: false)
      } else {
        parts.append(.init(opening, isAnswer: false))
      }
      let ids = Array(tokenizer.encode(parts: parts.map(\.text)).joined())
      return Prompt(ids: ids, stopTokens: ends, stopStrings: [], leading: template.family == .llama2 ? " " : "")
    } catch { throw ChatFormatError("\(error)") }
  }

  private func plain(_ messages: [ChatTemplate.Message]) throws(ChatFormatError) -> Prompt {
    let groups = try ChatFormat.pairs(messages)
    guard let last = groups.last, last.count == 1 else { throw ChatFormatError("the last message is not the user's") }
    var ids: [Int32] = []
    for group in groups {
      ids += tokenizer.encode(parts: group.map(\.text)).joined()
      if let end, group.last?.isAnswer == true { ids.append(end) }
    }
    let begin = tokenizer.bosTokens
    if !ids.starts(with: begin) { ids = begin + ids }
    // A model that was not trained to end its answers goes on with a question of its own.
    return Prompt(ids: ids, stopTokens: ends, stopStrings: ["\nQuestion:"], leading: " ")
  }
}
