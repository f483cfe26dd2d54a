import Generation
import Terminal

extension Command {
  static let generate = Command(
    spec: CommandSpec(
      "generate", summary: "have a model go on with a text, or answer it",
      details: """
        A model with a chat template reads the prompt as a user's message, as does any model with --chat or --system; others, and any with
        --raw, go on with it as it stands. Without -p and -f the prompt is what standard input has. The answer goes to standard output while it
        is written, how fast it was to standard error. Ctrl-C ends it with status 130.

        Tokens are chosen as transformers does: repetition penalty, temperature, top-k, top-p, min-p, in that order.
        """,
      positionals: [Positional("MODEL", help: ".hoof file or Hugging Face folder")],
      options: [
        CommandOption("prompt", short: "p", .string, help: "the text"),
        CommandOption("file", short: "f", .string, placeholder: "FILE", help: "the text is in this file"),
        CommandOption("raw", help: "go on with the text as it stands"), CommandOption("chat", help: "answer the text as a user's message"),
        CommandOption("system", .string, help: "what the model is told before the user's message"), .chatTemplate,
        .maxNewTokens("512"), .stop, CommandOption("ignore-eos", help: "do not stop where the model ends its answer"),
      ] + CommandOption.sampling(temperature: GenerateRun.usualTemperature) + [
        CommandOption("no-bos", help: "with --raw: leave out the token that begins a text"),
        CommandOption(
          "logprobs", .int(0...GenerationRequest.mostLogprobs), placeholder: "K",
          help: "with --json: every token's ln p, and the K likeliest in its place"),
        .context("what prompt and answer take"), .backend,
      ] + CommandOption.writing + [.profile, .json, .quiet, .verbose],
      exclusive: [["prompt", "file"], ["raw", "chat"], ["raw", "system"], ["raw", "chat-template"]],
      examples: [
        .init("hoof generate base.hoof -p 'Once upon a time' -n 100", "the likeliest words, 100 tokens of them"),
        .init(
          "hoof generate pitcher.hoof --system 'You pitch films.' -p 'A western' --temperature 0.8 --min-p 0.05 --seed 7",
          "drawn; another seed, another film"),
      ]),
    run: { arguments in try GenerateRun(arguments).run() })
}
