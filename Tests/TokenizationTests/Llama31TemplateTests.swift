import Testing
@testable import Tokenization

@Suite("The chat template of Llama 3.1 to 3.3")
struct Llama31TemplateTests {
  private let chat = ChatTemplate(.llama31, bos: "<s>", eos: "</s>")

  /// Expected texts: Jinja 3.1.6 with the published templates of Llama 3.1 and 3.2 and the options transformers sets, without today's date.
  @Test("a system message with two dates stands first, with or without one of the conversation's own")
  func renders() throws {
    let dates = "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    let turns =
      "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
      + "<|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|>"
    let talk = ChatTemplateTests.talk
    #expect(
      try chat.render(talk, addGenerationPrompt: true) == dates + "Be kind." + turns + "<|start_header_id|>assistant<|end_header_id|>\n\n")
    #expect(try chat.render(Array(talk.dropFirst())) == dates + turns)
  }

  @Test("answers are parts of their own")
  func parts() throws {
    let parts = try chat.parts(ChatTemplateTests.talk)
    #expect(parts.map(\.isAnswer) == [false, true, false] && parts[1].text == "Hello.<|eot_id|>")
  }

  @Test("nothing to say, and what tools answer, are refused")
  func refusals() {
    #expect(throws: TokenizerError.self) { try chat.render([]) }
    #expect(throws: TokenizerError.self) { try chat.render([.init(role: "user", content: "a"), .init(role: "ipython", content: "1")]) }
  }

  @Test("a template's digest depends on what it does, not on how it is laid out")
  func digest() {
    let plain = JinjaOutline("{{ bos_token }}{% for message in messages %}x{% endfor %}")
    // Known templates are compared with digests that were made once: this one must not change either.
    #expect(plain.digest == 0x62e7_97a8_d494_939c)
    #expect(JinjaOutline("{{bos_token}}{%for message in messages%}x{% endfor %}").digest == plain.digest)
    #expect(JinjaOutline("{{ bos_token }}{% for message in messages %}y{% endfor %}").digest != plain.digest)
    #expect(JinjaOutline("{{ bos_token }}x{% for message in messages %}{% endfor %}").digest != plain.digest)
  }
}
