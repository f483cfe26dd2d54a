import Terminal

extension Command {
  static let compare = Command(
    spec: CommandSpec(
      "compare", summary: "one table of what cut models lose in predictions and gain in speed and size",
      details: """
        Measures every model on held-out text (perplexity, KL to BASE in nats, same top token) and times it (tokens/s of reading a prompt and
        of writing behind it). Timing is paired: each round runs every model once, and a speed-up is the median of the rounds' ratios to BASE,
        so that a busy machine slows all alike. The Pareto front is marked for perplexity against decoding speed and for perplexity against
        bytes. CUT files must have BASE's vocabulary; with --strategies the cuts are made in memory, and nothing is written.

        --heal makes a recovery table: every cut is healed in each way of the list, all from the same start with the same texts and steps, and
        stands in the table beside the cut itself. patch fits LinearPatch and trains nothing; patch-tuned trains those patches alone, and
        distill all weights, on what BASE predicts; lora trains low-rank adapters and sft all weights on the text. What they write by themselves
        is compared with BASE's greedy continuations of the text's windows.

        --tasks adds a column for each task or group of tasks. Cuts that leave multiple choice as it was may break multi-step generation: the
        arithmetic ladder (sums of one to six steps, made by hoof) and gsm8k show it.
        """,
      positionals: [
        Positional("BASE", help: "the uncut model: .hoof file or Hugging Face folder"),
        Positional("CUT", .any, help: "models cut from it, to compare with it"),
      ],
      options: [
        CommandOption(
          "data", .string, placeholder: "FILE", help: "held-out text to measure on: .txt (read as one text), .json or .jsonl"),
        CommandOption(
          "strategies", .string, placeholder: "LIST",
          help: "make cuts by these methods: tail,random,greedy or, with an amount of its own, middle:3; one of \(StrategyChoice.names)"),
        CommandOption(
          "drop", .indices,
          help: "how many layers each strategy removes: 1,3,7 makes three cuts of each (default with --heal: a seventh to a quarter)"),
        CommandOption("ratio", .string, placeholder: "LIST", help: "what share a strategy that narrows layers removes: 0.1,0.2"),
        CommandOption(
          "calibration", .string, placeholder: "FILE", help: "texts for strategies that measure: .txt (one per line), .json or .jsonl"),
        CommandOption("ood", .string, placeholder: "FILE", help: "text of another domain to measure on as well: .txt, .json or .jsonl"),
        CommandOption(
          "heal", .string, placeholder: "LIST", help: "heal every cut in these ways: some of \(HealOptions.names.joined(separator: ","))"),
        CommandOption(
          "tasks", .string, placeholder: "LIST",
          help: "put these to every model, as 'hoof eval --tasks' does: arithmetic_ladder_cot (needs no files), gsm8k, hellaswag, …"),
        CommandOption("task-data", .string, placeholder: "DIR", help: "where the files of --tasks are"),
        CommandOption("limit", .int(1...Int.max), help: "only the first N questions of each task"),
        CommandOption("num-fewshot", .int(0...1000), help: "examples in front of each question (default: as the task says)"),
        CommandOption("heal-data", .string, placeholder: "FILE", help: "texts to heal with, as 'hoof finetune --data' reads them"),
        CommandOption("heal-steps", .int(1...1_000_000), help: "steps of each training (default: \(HealOptions.usualSteps))"),
        CommandOption("heal-batch", .int(1...1_000_000), help: "texts of a step (default: \(HealOptions.usualBatch))"),
        CommandOption(
          "heal-tokens", .int(2...1_000_000),
          help: "cut texts to heal with at N tokens (default: \(HealOptions.usualTokens), or the context)"),
        CommandOption(
          "heal-lr", .string, placeholder: "LIST", help: "peak learning rate, or one for each way: sft:1e-5,lora:1e-4 (default: by way)"),
        CommandOption("max-tokens", .int(2...1_000_000), help: "cut calibration texts at N tokens, BOS counted (default: 64)"),
        CommandOption("window", .int(1...1_000_000), help: "tokens of text in a window (default: 512, or the context)"),
        CommandOption("windows", .int(1...1_000_000), help: "measure on the first N windows (default: all)"),
        CommandOption("no-bos", help: "do not put the begin token in front of windows and calibration texts"),
        CommandOption("runs", .int(1...10_000), help: "rounds that count (default: 10)"),
        CommandOption("warmup", .int(0...10_000), help: "rounds before them (default: 5)"),
        CommandOption("prompt-tokens", .int(1...1_000_000), help: "tokens of the prompt that is read (default: 512, or the context)"),
        CommandOption("gen-tokens", .int(1...1_000_000), help: "tokens that are written behind it (default: 32)"),
        CommandOption(
          "format", .choice(ComparisonFormat.allCases.map(\.rawValue)), help: "of the result on standard output (default: table)"),
        .json, .output("write the results (JSON) here"),
        CommandOption("html", .string, placeholder: "FILE", help: "write one HTML page with plots"), .force,
        CommandOption("memory", .size, help: "memory for measuring beside the weights (default: half of what is free, at most 4G)"),
        .seed, .backend,
      ] + CommandOption.computing + [.quiet],
      exclusive: [["format", "json"]],
      examples: [
        .init("hoof compare base.hoof cut-1.hoof cut-2.hoof --data heldout.txt", "what two cuts cost and gain"),
        .init(
          "hoof compare base.hoof --strategies tail,middle,first,random,shortgpt,greedy --drop 1,3,7 --data heldout.txt "
            + "--calibration prompts.txt --html cuts.html",
          "which layers to remove: six methods, three amounts"),
        .init(
          "hoof compare base.hoof --strategies first:1,middle:1,middle:3,greedy:7 --data heldout.txt --calibration prompts.txt "
            + "--format markdown",
          "the first layer, the middle one, three middle ones, seven safe ones"),
        .init(
          "hoof compare base.hoof --strategies greedy --heal none,patch,lora,sft,distill --heal-data train.jsonl --data heldout.txt "
            + "--ood other.txt --calibration prompts.txt --html recovery.html",
          "which way of healing brings most back, at several amounts"),
        .init(
          "hoof compare base.hoof cut.hoof --data heldout.txt --tasks arithmetic_ladder_cot,hellaswag --task-data benchmarks/ --limit 500",
          "whether the cut still reasons step by step"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      try CompareRun(arguments).run()
    })
}

/// How the result is printed.
enum ComparisonFormat: String, CaseIterable {
  case table, markdown, csv, json

  init(_ arguments: Arguments) {
    self = arguments.has("json") ? .json : arguments.string("format").flatMap(ComparisonFormat.init) ?? .table
  }
}
