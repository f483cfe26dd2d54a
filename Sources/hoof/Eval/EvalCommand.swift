import Evaluation
import Terminal

extension Command {
  static let eval = Command(
    spec: CommandSpec(
      "eval", summary: "measure how well a model predicts a text, or check what it answers",
      details: """
        --perplexity FILE measures how well the model predicts a text, --prompts FILE has it answer prompts and checks the answers.

        Perplexities of different protocols, windows or begin tokens cannot be compared; each result names all three.

        windows    non-overlapping windows, the begin token in front of each, every token scored (512)
        gptq       as papers on quantisation and pruning: one begin token in front of the text, windows of which all tokens but the first
                   are scored, the rest at the end dropped (2048)
        llama.cpp  as llama-perplexity: the begin token overwrites each window's first, and the second half is scored (512)
        word       as lm-evaluation-harness' wikitext: whole documents, per word and per byte (the model's context)

        In parentheses: the window where --window does not say and the model's context allows it. FILE: a .txt is one text; a .json array
        of strings or a .jsonl with "text" or "page" is several, joined by empty lines but for word.

        Prompts come as JSON lines, such as {"name": "western", "prompt": "Pitch a western.", "checks": {"contains": "sheriff"}}; "messages"
        is a conversation, "system" what comes before, "max_tokens" the answer's limit. Checks are regex, not_regex, contains, not_contains
        (a text, or an array of which all are meant), json (the answer parses), min_words, max_words, stops (the model ends by itself) and
        no_loop (no stretch of tokens three times in a row over 30 tokens); without any, stops and no_loop. Models with a chat template read
        a prompt as a user's message. The status is 0 when all prompts pass and 1 when some fail.
        """,
      positionals: [Positional("MODEL", help: ".hoof file or Hugging Face folder")],
      options: [
        CommandOption("perplexity", .string, placeholder: "FILE", help: "the text to measure on: .txt, .json or .jsonl"),
        CommandOption("prompts", .string, placeholder: "FILE", help: "the prompts to check: .jsonl, see above"),
        CommandOption("protocol", .choice(PerplexityProtocol.allCases.map(\.rawValue)), help: "see above (default: windows)"),
        CommandOption("window", .int(PerplexityRun.leastWindow...10_000_000), help: "tokens of a window (default: see above)"),
        CommandOption("bos", help: "begin with the model's begin token even where its tokenizer does not"),
        CommandOption("no-bos", help: "do not begin with the begin token (default: as the tokenizer does)"),
        CommandOption(
          "detokenize", .choice(["wikitext"]),
          help: "with word: take back the spaces that WikiText put around punctuation, as the harness does"),
        CommandOption("limit", .int(1...Int.max), help: "only the first N windows, prompts or, with word, documents"),
        .backend,
      ] + CommandOption.computing + [.profile, .json, .quiet, .verbose] + PromptRun.options,
      exclusive: [["bos", "no-bos"], ["perplexity", "prompts"], ["raw", "chat-template"]],
      examples: [
        .init("hoof eval base.hoof --perplexity wiki.test.txt", "windows of 512 tokens"),
        .init("hoof eval base.hoof --perplexity wiki.test.txt --protocol gptq --window 2048", "to compare with tables in papers"),
        .init(
          "hoof eval base.hoof --perplexity pages.jsonl --protocol word --detokenize wikitext", "to compare with lm_eval --tasks wikitext"),
        .init("hoof eval pitcher.hoof --prompts checks.jsonl -o answers.jsonl", "which prompts pass, and all answers in a file"),
      ]),
    run: { arguments in
      let ofPrompts = PromptRun.options.map(\.name)
      if arguments.has("prompts") {
        if let option = Command.ofPerplexity.first(where: arguments.has) {
          throw UsageError(command: "eval", "--\(option) goes with --perplexity")
        }
        return try PromptRun(arguments).run()
      }
      guard arguments.has("perplexity") else {
        throw UsageError(
          command: "eval", "--perplexity FILE is missing: the text to measure on; or --prompts FILE, prompts whose answers are checked")
      }
      if let option = ofPrompts.first(where: arguments.has) { throw UsageError(command: "eval", "--\(option) goes with --prompts") }
      try PerplexityRun(arguments).run()
    })

  private static let ofPerplexity = ["protocol", "window", "bos", "no-bos", "detokenize"]
}
