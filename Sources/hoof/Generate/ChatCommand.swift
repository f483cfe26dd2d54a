import Terminal

extension Command {
  static let chat = Command(
    spec: CommandSpec(
      "chat", summary: "talk with a model",
      details: """
        What is typed is a message of the conversation; a line that ends with \\ goes on in the next. Ctrl-C stops an answer, Ctrl-D or /exit
        ends the conversation. Where standard input is no terminal, each of its lines is a message.

        \(ChatWord.lines)
        """,
      positionals: [Positional("MODEL", help: ".hoof file or Hugging Face folder")],
      options: [
        CommandOption("system", .string, help: "what the model is told before the conversation"), .chatTemplate,
        .maxNewTokens("what the context leaves"), .stop,
      ] + CommandOption.sampling(temperature: ChatRun.usualTemperature, minP: ChatRun.usualMinP) + [
        .context("the model's, at most \(WritingModel.usualContext)"), .backend,
      ] + CommandOption.writing + [.quiet, .verbose],
      examples: [
        .init("hoof chat base.hoof", "in the format the model was trained with"),
        .init("hoof chat base.hoof --system 'Answer in one sentence.' --temperature 0", "short, and the same every time"),
      ]),
    run: { arguments in try ChatRun(arguments).run() })
}
