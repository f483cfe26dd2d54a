import TestSupport
import Testing

/// `hoof chat`, its messages coming line by line.
struct ChatCommandTests {
  private func chat(_ lines: [String], _ words: [String] = ["--temperature", "0"], model: String = Example.model) -> Subprocess {
    Subprocess.hoof(["chat", model, "-n", "12", "-q"] + words, input: lines.map { $0 + "\n" }.joined())
  }

  @Test("every line is a message, and what was said before is part of the next question")
  func turns() {
    let one = chat(["Who is Tom?"])
    #expect(one.status == 0 && one.errors.isEmpty && !one.output.isEmpty)
    let two = chat(["Who is Tom?", "And Lily?"])
    #expect(two.output.hasPrefix(one.output) && two.output != one.output + chat(["And Lily?"]).output)
    #expect(chat(["Who is Tom?"], ["--temperature", "0", "--system", "Lily and Tom are cats."]).output != one.output)
    // Drawn with the same seed.
    #expect(chat(["Who is Tom?"], ["--seed", "4"]).output == chat(["Who is Tom?"], ["--seed", "4"]).output)
  }

  @Test("/clear forgets, /regen asks again, /read puts a file in front, \\ goes on in the next line, blank lines are nothing")
  func words() throws {
    let one = chat(["Who is Tom?"]).output
    #expect(chat(["Who is Tom?", "/clear", "Who is Tom?"]).output == one + one)
    #expect(chat(["Who is Tom?", "/regen"]).output == one + one)
    let drawn = chat(["Who is Tom?", "/regen"], ["--seed", "4"]).output
    let first = chat(["Who is Tom?"], ["--seed", "4"]).output
    #expect(drawn.hasPrefix(first) && drawn != first + first)
    #expect(chat(["", "  ", "Who is Tom?", "/exit", "Who is Lily?"]).output == one)
    let folder = try TemporaryFolder()
    let file = try folder.write("a.txt", "Tom is a cat.")
    let attached = chat(["/read \(file)", "Who is Tom?"])
    #expect(attached.output != one && attached.output == chat(["Tom is a cat.\\", "Who is Tom?"]).output)
    #expect(attached.errors.contains("13 bytes"))
    for (line, says) in [
      ("/nothing", "no command /nothing"), ("/clear all", "no command /clear"), ("/read", "no command /read"), ("/regen", "no answer yet"),
      ("/read /no.txt", "/no.txt"), ("/help", "/clear"),
    ] {
      let run = chat([line])
      #expect(run.status == 0 && run.output.isEmpty && run.errors.contains(says), "\(line): \(run.errors)")
    }
  }

  @Test("a message that does not fit is taken back with both numbers, and the conversation goes on")
  func overflow() {
    let long = String(repeating: "Once upon a time there was a dog. ", count: 100)
    let run = chat(["Who is Tom?", long, "/clear", "Who is Tom?"])
    let one = chat(["Who is Tom?"]).output
    #expect(run.status == 0 && run.output == one + one && run.errors.contains("the context of 512 tokens") && run.errors.contains("/clear"))
    let small = chat(["Tell me a story."], ["--temperature", "0", "-c", "30"])
    #expect(small.status == 0)
  }

  @Test("bad input is one line that says what is wrong")
  func refusals() throws {
    #expect(chat([], ["--chat-template", "llama3"]).status == 0)
    // Zephyr's turns end with the model's end token, which this one has; ChatML's tokens are not in it.
    let chatML = chat([], ["--chat-template", "chatml"])
    #expect(chatML.status == 1 && chatML.errors.contains("the tokenizer has no token '<|im_start|>'"), "\(chatML.errors)")
    #expect(chat([], ["--min-p", "2"]).status == 2)
    #expect(chat([], model: "/nowhere").status == 1)
  }
}
