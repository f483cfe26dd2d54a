import Generation
import Serving
import Terminal

extension Command {
  static let serve = Command(
    spec: CommandSpec(
      "serve", summary: "models over HTTP, with OpenAI's API and a chat page",
      details: """
        Answers /v1/chat/completions, /v1/completions and /v1/models as OpenAI's clients ask, with streaming, and / with a page to chat on. With
        several models requests choose by name, and the page shows base and cut side by side. Answers are written side by side, --slots of them at
        a time; what is common to prompts is read once. Ctrl-C lets answers end, a second one does not.

        Only this machine can connect unless --host says otherwise. The address goes to standard output.
        """,
      positionals: [Positional("MODEL", .oneOrMore, help: ".hoof files or Hugging Face folders; the first is the base")],
      options: options,
      examples: [
        .init("hoof serve pitcher.hoof", "then open http://127.0.0.1:8080/"),
        .init("hoof serve base.hoof cut.hoof --port 9000", "both at once, to compare"),
        .init("HOOF_API_KEY=secret hoof serve pitcher.hoof --host 0.0.0.0", "for others, who need the key"),
      ]),
    run: { arguments in try ServeRun(arguments).run() })

  private static let options: [CommandOption] =
    [
      CommandOption("port", .int(0...65535), help: "where to listen (default: 8080; 0: any that is free)"),
      CommandOption("host", .string, placeholder: "ADDRESS", help: "where to listen (default: 127.0.0.1; 0.0.0.0 opens it to all)"),
      CommandOption(
        "api-key", .string, placeholder: "KEY", environment: "HOOF_API_KEY", help: "whoever asks a model must know it ('Bearer KEY')"),
      CommandOption(
        "cors", .string, placeholder: "ORIGIN", help: "pages of this web origin may ask too, as https://example.org; '*' for all"),
      CommandOption("alias", .string, placeholder: "LIST", help: "names for the models, as in base,cut (default: the files' names)"),
      CommandOption("system", .string, placeholder: "TEXT", help: "what models are told in conversations that bring no system prompt"),
      CommandOption("slots", .int(1...256), help: "answers of a model that are written side by side (default: up to 32, as memory allows)"),
      CommandOption(
        "context", .int(16...(1 << 24)), help: "most tokens of prompt and answer together (default: the model's, at most 4096)"),
      CommandOption("queue", .int(0...4096), help: "requests of a model that may wait for a slot (default: 128)"),
      CommandOption("max-body", .size, help: "longest body of a request (default: 8M)"),
      CommandOption(
        "chat-template", .choice(ChatFormat.Name.allCases.map(\.rawValue)), help: "how conversations are written (default: the model's own)"
      ),
      .backend,
    ] + CommandOption.writing + [.quiet, CommandOption("verbose", short: "v", help: "a line on standard error for every request")]
}
