import Evaluation
import Terminal

extension Command {
  static let eval = Command(
    spec: CommandSpec(
      "eval", summary: "put benchmarks to models, measure how well they predict a text, or check what they answer",
      details: """
        --tasks LIST puts benchmarks to models, --perplexity FILE measures how well one predicts a text, --prompts FILE has one answer prompts
        and checks the answers.

        Benchmarks are scored as lm-evaluation-harness scores them: the same prompts, tokens, metrics and standard errors, from files under
        --data (docs/tasks.md says which). --against BASE tells whether a cut has done harm: which questions were lost and won, whether that
        could be chance, and how far the predictions moved. Answers are kept, so that a model is never asked twice.

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
      positionals: [Positional("MODEL", .any, help: ".hoof file or Hugging Face folder; --tasks takes several")],
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
        CommandOption("limit", .int(1...Int.max), help: "only the first N windows, prompts, documents (word) or questions of each task"),
        .backend,
      ] + CommandOption.computing + [.profile, .json, .quiet, .verbose] + PromptRun.options + TaskOptions.options,
      exclusive: [
        ["bos", "no-bos"], ["perplexity", "prompts", "tasks"], ["raw", "chat-template"], ["cache", "no-cache"],
        ["resume", "no-cache"],
      ],
      examples: [
        .init("hoof eval base.hoof --tasks hellaswag,mmlu,arc_easy --data benchmarks/", "scores as lm_eval gives them"),
        .init(
          "hoof eval cut.hoof --tasks mmlu --num-fewshot 5 --data benchmarks/ --against base.hoof --html mmlu.html",
          "what a cut did, by subject"),
        .init("hoof eval base.hoof --perplexity wiki.test.txt", "windows of 512 tokens"),
        .init("hoof eval base.hoof --perplexity wiki.test.txt --protocol gptq --window 2048", "to compare with tables in papers"),
        .init(
          "hoof eval base.hoof --perplexity pages.jsonl --protocol word --detokenize wikitext", "to compare with lm_eval --tasks wikitext"),
        .init("hoof eval pitcher.hoof --prompts checks.jsonl -o answers.jsonl", "which prompts pass, and all answers in a file"),
      ]),
    run: { arguments in
      let taken = Set(Command.ofMode.filter { arguments.has($0.0) }.flatMap(\.1))
      let others = Command.ofMode.flatMap(\.1).filter { !taken.contains($0) }
      if let option = others.first(where: arguments.has) {
        let modes = Command.ofMode.filter { $0.1.contains(option) }.map { "--\($0.0)" }
        throw UsageError(command: "eval", "--\(option) goes with \(modes.joined(separator: " or "))")
      }
      if arguments.has("tasks") { return try TaskRun(arguments).run() }
      guard arguments.all("MODEL").count == 1 else {
        let count = arguments.all("MODEL").count
        throw UsageError(command: "eval", count == 0 ? "MODEL is missing" : "one MODEL at a time; --tasks takes several")
      }
      if arguments.has("prompts") { return try PromptRun(arguments).run() }
      guard arguments.has("perplexity") else {
        throw UsageError(
          command: "eval",
          "what to measure is missing: --tasks LIST, benchmarks; --perplexity FILE, a text; or --prompts FILE, prompts whose answers are checked"
        )
      }
      try PerplexityRun(arguments).run()
    })

  /// What goes with each way of measuring and not with all.
  private static let ofMode: [(String, [String])] = [
    ("perplexity", ["protocol", "window", "bos", "no-bos", "detokenize"]),
    ("prompts", PromptRun.options.map(\.name)),
    ("tasks", TaskOptions.names + ["bos", "no-bos", "output", "force"]),
  ]
}
