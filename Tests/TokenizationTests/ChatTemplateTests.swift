import JSON
import Testing
import TestSupport
import Tokenization

@Suite("Chat templates")
struct ChatTemplateTests {
  static let llama2 =
    #"{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"#
  static let chatML =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
  static let zephyr =
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
  static let talk = [
    ChatTemplate.Message(role: "system", content: "Be kind."), ChatTemplate.Message(role: "user", content: " Hi \n"),
    ChatTemplate.Message(role: "assistant", content: " Hello. "), ChatTemplate.Message(role: "user", content: "2+2?"),
  ]

  /// Expected texts: Jinja 3.1.6 with the options transformers sets.
  static let rendered: [(String, ChatTemplate.Family, Bool, String)] = [
    (
      llama2, .llama2, true,
      "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\n Hi [/INST] Hello. </s><s>[INST] 2+2? [/INST]"
    ),
    (
      chatML, .chatML, true,
      "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n Hi \n<|im_end|>\n<|im_start|>assistant\n Hello. <|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    ),
    (
      zephyr, .zephyr, true,
      "<|system|>\nBe kind.</s>\n<|user|>\n Hi \n</s>\n<|assistant|>\n Hello. </s>\n<|user|>\n2+2?</s>\n<|assistant|>\n"
    ),
    (zephyr, .zephyr, false, "<|system|>\nBe kind.</s>\n<|user|>\n Hi \n</s>\n<|assistant|>\n Hello. </s>\n<|user|>\n2+2?</s>\n"),
  ]

  @Test("a known template is recognised and rendered", arguments: rendered)
  func renders(template: String, family: ChatTemplate.Family, prompts: Bool, expected: String) throws {
    let chat = try ChatTemplate(template, bos: "<s>", eos: "</s>")
    #expect(chat.family == family)
    #expect(try chat.render(Self.talk, addGenerationPrompt: prompts) == expected)
  }

  @Test("blanks, quotes and attribute style inside tags do not matter; text outside does")
  func outline() throws {
    let spaced = Self.chatML.replacing("message['role']", with: "message.role").replacing(
      "{{'<|im_start|>'", with: "{{-  \"<|im_start|>\"  ")
    #expect(try ChatTemplate(spaced, bos: "", eos: "").family == .chatML)
    for changed in [
      Self.chatML + "x", Self.chatML.replacing("im_end", with: "im_stop"), Self.zephyr.replacing("}}\n", with: "}}"),
      Self.llama2.replacing("content.strip()", with: "content"), "", "{{", "{%", "{{ '", "{# #}", "{%-%}",
      Self.chatML.replacing("if add_generation_prompt", with: "if not add_generation_prompt"),
    ] where changed != Self.chatML {
      let error = #expect(throws: TokenizerError.self, "\(changed.prefix(80))") { try ChatTemplate(changed, bos: "", eos: "") }
      #expect(error?.description.contains("chat_template") == true)
    }
  }

  @Test("roles a template has no place for are refused")
  func roles() throws {
    let llama2 = try ChatTemplate(Self.llama2, bos: "<s>", eos: "</s>")
    #expect(throws: TokenizerError.self) { try llama2.render([.init(role: "assistant", content: "x")]) }
    #expect(throws: TokenizerError.self) { try llama2.render([]) }
    let zephyr = try ChatTemplate(Self.zephyr, bos: "<s>", eos: "</s>")
    #expect(throws: TokenizerError.self) { try zephyr.render([.init(role: "tool", content: "x")]) }
  }

  @Test("the published chat vectors are reproduced", .enabled(if: SharedData.isHere, Comment(rawValue: SharedData.absent)))
  func vectors() throws {
    let folder = "tokenizers/llama3-128k"
    let tokenizer = try SharedTokenizers.open(folder)
    let config = try SharedData.json("\(folder)/tokenizer_config.json")
    let chat = try ChatTemplate(
      try #require(config["chat_template"]?.string), bos: try #require(config["bos_token"]?.string),
      eos: try #require(config["eos_token"]?.string))
    let rows = try #require(try SharedData.json("\(folder)/chat_vectors.json").array)
    #expect(rows.count == 3)
    for row in rows {
      let messages = try #require(row["messages"]?.array).map { message in
        ChatTemplate.Message(role: try #require(message["role"]?.string), content: try #require(message["content"]?.string))
      }
      let text = try chat.render(messages, addGenerationPrompt: row["add_generation_prompt"] == true)
      #expect(text == row["text"]?.string)
      #expect(tokenizer.encode(text, template: false) == row["ids"]?.ids)
    }
  }
}
