/// Turns a conversation into the text a chat model was trained on.
///
/// `chat_template` is a Jinja program. Rather than run programs, this recognises the five that Llama-family models publish (compared tag by
/// tag, blanks and quotes aside) and refuses every other: a template guessed wrong gives a model that answers badly and no message.
public struct ChatTemplate: Sendable {
  public struct Message: Sendable, Equatable {
    public var role: String
    public var content: String
    public init(role: String, content: String) {
      self.role = role
      self.content = content
    }
    /// Said by the model.
    public var isAnswer: Bool { role == "assistant" }
  }

  public enum Family: String, Sendable, CaseIterable {
    case llama3 = "Llama 3", llama31 = "Llama 3.1", llama2 = "Llama 2", chatML = "ChatML", zephyr = "Zephyr"
  }

  public let family: Family
  private let bos: String
  private let eos: String
  /// The first Llama 3 template asks for an answer whether or not the caller does.
  private let alwaysPrompts: Bool
  /// Some Llama 2 templates keep the blanks around an answer.
  private let stripsAnswers: Bool

  /// `template`: `chat_template` of tokenizer_config.json. `bos`, `eos`: its `bos_token` and `eos_token`.
  public init(_ template: String, bos: String, eos: String) throws(TokenizerError) {
    let program = JinjaOutline(template)
    guard let known = KnownChatTemplate.all.first(where: { $0.matches(program) }) else {
      let names = Family.allCases.map(\.rawValue).joined(separator: ", ")
      throw .unsupported("chat_template (none of the known ones: \(names))")
    }
    family = known.family
    alwaysPrompts = known.alwaysPrompts
    stripsAnswers = known.stripsAnswers
    self.bos = bos
    self.eos = eos
  }

  /// The template that a family's models publish, for a model that comes without one.
  public init(_ family: Family, bos: String, eos: String) {
    self.family = family
    (alwaysPrompts, stripsAnswers) = (false, true)
    self.bos = bos
    self.eos = eos
  }

  /// The text of the conversation. It has its begin token where the template puts one: encode it with `template: false`.
  public func render(_ messages: [Message], addGenerationPrompt: Bool = false) throws(TokenizerError) -> String {
    let prompt = addGenerationPrompt || alwaysPrompts
    return try parts(messages).map(\.text).joined() + (prompt ? generationPrompt(behind: messages) : "")
  }

  /// A stretch of a conversation's text.
  public struct Part: Sendable, Equatable {
    public internal(set) var text: String
    /// The model has to write it: all that follows the generation prompt, to the token that ends the turn.
    public let isAnswer: Bool

    public init(_ text: String, isAnswer: Bool) { (self.text, self.isAnswer) = (text, isAnswer) }
  }

  /// The text of the conversation, without a generation prompt, cut where answers begin and end. No two neighbours are of one kind.
  public func parts(_ messages: [Message]) throws(TokenizerError) -> [Part] {
    var parts: [Part] = []
    func append(_ text: String, isAnswer: Bool = false) {
      if parts.last?.isAnswer == isAnswer {
        parts[parts.count - 1].text += text
      } else if !text.isEmpty {
        parts.append(Part(text, isAnswer: isAnswer))
      }
    }
    switch family {
    case .llama3:
      if !messages.isEmpty { append(bos) }
      for part in Self.llama3Turns(messages) { append(part.text, isAnswer: part.isAnswer) }
    case .llama31:
      append(bos)
      for part in try Self.llama31Turns(messages) { append(part.text, isAnswer: part.isAnswer) }
    case .llama2: for part in try llama2(messages) { append(part.text, isAnswer: part.isAnswer) }
    case .chatML:
      for message in messages {
        append("<|im_start|>\(message.role)\n")
        append("\(message.content)<|im_end|>", isAnswer: message.isAnswer)
        append("\n")
      }
    case .zephyr:
      for (index, message) in messages.enumerated() {
        guard ["user", "system", "assistant"].contains(message.role) else {
          throw .invalid("chat: message \(index) is of '\(message.role)'; the Zephyr template knows system, user and assistant")
        }
        append("<|\(message.role)|>\n")
        append("\(message.content)\(eos)", isAnswer: message.isAnswer)
        append("\n")
      }
    }
    return parts
  }

  /// What stands behind the messages when the model is to answer.
  private func generationPrompt(behind messages: [Message]) -> String {
    switch family {
    case .llama3, .llama31: Self.llama3Header("assistant")
    case .llama2: ""
    case .chatML: "<|im_start|>assistant\n"
    case .zephyr: messages.isEmpty ? "" : "<|assistant|>\n"
    }
  }

  /// The tokens without which a conversation would be spelt out in letters; the last one ends an answer.
  public var tokens: [String] {
    switch family {
    case .llama3, .llama31: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    case .chatML: ["<|im_start|>", "<|im_end|>"]
    case .llama2, .zephyr: [eos]
    }
  }

  private static func llama3Header(_ role: String) -> String { "<|start_header_id|>\(role)<|end_header_id|>\n\n" }

  private static func llama3Turns(_ messages: some Sequence<Message>) -> [Part] {
    messages.flatMap { message in
      [Part(llama3Header(message.role), isAnswer: false), Part(stripped(message.content) + "<|eot_id|>", isAnswer: message.isAnswer)]
    }
  }

  /// Llama 3.1, 3.2 and 3.3 have a system message in any case, with two dates in it. transformers gives 3.2's template the day it runs on;
  /// here it is the one the template names itself, as in 3.1 and 3.3, so that a conversation is the same text every day.
  private static func llama31Turns(_ messages: [Message]) throws(TokenizerError) -> [Part] {
    guard let first = messages.first else { throw .invalid("chat: the Llama 3.1 template needs a message") }
    let isTold = first.role == "system"
    let dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    let system = llama3Header("system") + dates + (isTold ? stripped(first.content) : "") + "<|eot_id|>"
    let turns = messages.dropFirst(isTold ? 1 : 0)
    if let tool = turns.first(where: { ["tool", "ipython"].contains($0.role) }) {
      throw .invalid("chat: a message is of '\(tool.role)'; what tools answer is not supported")
    }
    return [Part(system, isAnswer: false)] + llama3Turns(turns)
  }

  private func llama2(_ messages: [Message]) throws(TokenizerError) -> [Part] {
    var turns = messages[...]
    var system: String?
    if let first = turns.first, first.role == "system" {
      system = first.content
      turns.removeFirst()
    }
    guard !messages.isEmpty else { throw .invalid("chat: the Llama 2 template needs a message") }
    var out: [Part] = []
    for (index, message) in turns.enumerated() {
      guard message.role == (index % 2 == 0 ? "user" : "assistant") else {
        throw .invalid("chat: message \(index + (system == nil ? 0 : 1)) is of '\(message.role)'; Llama 2 takes user and assistant in turn")
      }
      if index % 2 == 0 {
        let opening = index == 0 ? system.map { "<<SYS>>\n\($0)\n<</SYS>>\n\n" } ?? "" : ""
        out.append(Part("\(bos)[INST] \(Self.stripped(opening + message.content)) [/INST]", isAnswer: false))
      } else {
        out.append(Part(" \(stripsAnswers ? Self.stripped(message.content) : message.content) \(eos)", isAnswer: true))
      }
    }
    return out
  }

  /// Python's `str.strip()`, which also takes U+001C to U+001F.
  private static func stripped(_ text: String) -> String {
    func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value) }
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isBlank($0) }), let last = scalars.lastIndex(where: { !isBlank($0) }) else { return "" }
    return String(scalars[first...last])
  }
}

/// A published template, as a program to compare with.
struct KnownChatTemplate: Sendable {
  private enum Program: Sendable {
    case outline(JinjaOutline)
    /// Of a template of some pages, most of them for tools.
    case digest(UInt64)
  }

  let family: ChatTemplate.Family
  private let program: Program
  let alwaysPrompts: Bool
  let stripsAnswers: Bool

  private init(_ family: ChatTemplate.Family, _ text: String, alwaysPrompts: Bool = false, stripsAnswers: Bool = true) {
    self.family = family
    program = .outline(JinjaOutline(text))
    self.alwaysPrompts = alwaysPrompts
    self.stripsAnswers = stripsAnswers
  }

  private init(_ family: ChatTemplate.Family, digest: UInt64) {
    self.family = family
    program = .digest(digest)
    (alwaysPrompts, stripsAnswers) = (false, true)
  }

  func matches(_ outline: JinjaOutline) -> Bool {
    switch program {
    case .outline(let known): known == outline
    case .digest(let known): known == outline.digest
    }
  }

  static let all: [KnownChatTemplate] = [
    KnownChatTemplate(.llama3, llama3Turns + #"{% if add_generation_prompt %}"# + llama3Prompt + "{% endif %}"),
    KnownChatTemplate(.llama3, llama3Turns + llama3Prompt, alwaysPrompts: true),
    // Llama 3.1 and 3.3; Llama 3.2.
    KnownChatTemplate(.llama31, digest: 0x23de_fdda_36e0_78a7), KnownChatTemplate(.llama31, digest: 0x57ed_2fb9_7bfd_5493),
    KnownChatTemplate(.llama2, llama2("content.strip()")),
    KnownChatTemplate(.llama2, llama2("content"), stripsAnswers: false),
    KnownChatTemplate(.chatML, chatML),
    KnownChatTemplate(
      .chatML, "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}" + chatML),
    KnownChatTemplate(.zephyr, zephyr),
  ]

  private static let llama3Turns =
    #"{% set loop_messages = messages %}{% for message in loop_messages %}"#
    + #"{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}"#
    + #"{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"#
  private static let llama3Prompt = #"{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"#

  private static func llama2(_ answer: String) -> String {
    #"{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"#
      + #"{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"#
      + #"{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"#
      + #"{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"#
      + #"{% if loop.index0 == 0 and system_message != false %}"#
      + #"{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}"#
      + #"{% else %}{% set content = message['content'] %}{% endif %}"#
      + #"{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"#
      + #"{% elif message['role'] == 'assistant' %}{{ ' ' + "# + answer + #" + ' ' + eos_token }}{% endif %}{% endfor %}"#
  }

  private static let chatML =
    #"{% for message in messages %}"#
    + #"{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"#
    + #"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"#

  private static let zephyr = #"""
    {% for message in messages %}
    {% if message['role'] == 'user' %}
    {{ '<|user|>\n' + message['content'] + eos_token }}
    {% elif message['role'] == 'system' %}
    {{ '<|system|>\n' + message['content'] + eos_token }}
    {% elif message['role'] == 'assistant' %}
    {{ '<|assistant|>\n'  + message['content'] + eos_token }}
    {% endif %}
    {% if loop.last and add_generation_prompt %}
    {{ '<|assistant|>' }}
    {% endif %}
    {% endfor %}
    """#
}
