import Formats
import Generation
import TestSupport
import Testing
import Tokenization

/// Conversations as models read them.
struct ChatPromptTests {
  private static let turns: [ChatTemplate.Message] = [
    .init(role: "system", content: "Be brief."), .init(role: "user", content: "Who are you?"),
    .init(role: "assistant", content: "A cat."), .init(role: "user", content: "Since when?"),
  ]

  private func config(_ tokenizer: Tokenizer, eos: String) -> LlamaConfig {
    var config = RandomModel.tiny
    config.eosTokens = [Int(tokenizer.id(of: eos) ?? 0)]
    return config
  }

  @Test(
    "with a template the ids are those of the rendered conversation, as transformers makes them, and its end token ends an answer",
    .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)),
    arguments: [
      (ChatTemplate.Family.llama3, "tokenizers/llama3-128k", "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"),
      (.llama2, "tokenizers/llama2-32k", "<s>", "</s>", "</s>"), (.zephyr, "tokenizers/llama2-32k", "<s>", "</s>", "</s>"),
    ])
  func templates(family: ChatTemplate.Family, folder: String, bos: String, eos: String, end: String) throws {
    let tokenizer = try Tokenizer(json: try SharedData.bytes(folder + "/tokenizer.json"))
    let template = ChatTemplate(family, bos: bos, eos: eos)
    let chat = try ChatPrompt(.template(template), tokenizer, config(tokenizer, eos: eos))
    for messages in [Array(Self.turns.prefix(2)), Self.turns, [Self.turns[1]]] {
      let prompt = try chat.prompt(for: messages)
      #expect(prompt.ids == tokenizer.encode(try template.render(messages, addGenerationPrompt: true), template: false))
      let ends = [eos, end].compactMap(tokenizer.id)
      #expect(prompt.stopTokens == Set(ends) && prompt.stopStrings.isEmpty)
      // Llama 2's template has a space before an answer, which the model writes.
      #expect(prompt.leading == (family == .llama2 ? " " : ""))
    }
    #expect(chat.name == family.rawValue)
  }

  @Test("without a template questions and answers take turns, and a new question ends an answer")
  func plain() throws {
    let source = try ModelSource.open(path: Example.path)
    let tokenizer = try Tokenizer(json: source.tokenizer ?? [])
    let chat = try ChatPrompt(.absent, tokenizer, source.config)
    let prompt = try chat.prompt(for: Self.turns)
    #expect(
      tokenizer.decode(prompt.ids)
        == "<|begin_of_text|>Be brief.\n\nQuestion: Who are you?\nAnswer: A cat.<|end_of_text|>Question: Since when?\nAnswer:")
    #expect(prompt.stopTokens == [1019] && prompt.stopStrings == ["\nQuestion:"] && prompt.leading == " " && chat.name == "plain")
    // What comes next begins as the prompt did.
    let next = try chat.prompt(for: Self.turns + [.init(role: "assistant", content: "Ever."), .init(role: "user", content: "Oh?")])
    #expect(next.ids.starts(with: prompt.ids))
  }

  @Test("a conversation that the format does not have is refused in words")
  func refusals() throws {
    let source = try ModelSource.open(path: Example.path)
    let tokenizer = try Tokenizer(json: source.tokenizer ?? [])
    let chat = try ChatPrompt(.plain, tokenizer, source.config)
    for messages in [[], [Self.turns[0]], [Self.turns[2]], Array(Self.turns.prefix(3)), [Self.turns[1], Self.turns[1]]] {
      #expect(throws: ChatFormatError.self) { try chat.prompt(for: messages) }
    }
    let chatML = ChatFormat.template(ChatTemplate(.chatML, bos: "", eos: ""))
    #expect(throws: ChatFormatError.self) { try ChatPrompt(chatML, tokenizer, source.config) }
    #expect(throws: ChatFormatError.self) { try ChatPrompt(.unknown(reason: "no"), tokenizer, source.config) }
  }
}
