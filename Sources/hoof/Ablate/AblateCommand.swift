import Terminal

extension Command {
  static let ablate = Command(
    spec: CommandSpec(
      "ablate", summary: "measure what each layer, sublayer, head and neuron does to the predictions",
      details: """
        Takes out one part at a time and measures KL(full ‖ ablated) in nats, a mean over all positions of the calibration prompts. Whole
        layers are always measured; the options add more. Layers and heads count from 0. The report names the parts that must never be
        removed, and the largest set of layers whose joint removal, measured, keeps perplexity within +10 %.
        """,
      positionals: [Positional("MODEL", .oneOrMore, help: ".hoof file or Hugging Face folder; with --merge the parts' reports")],
      options: [
        CommandOption(
          "calibration", .string, placeholder: "FILE", help: "prompts: .txt (one per line), .json (array of strings) or .jsonl"),
        CommandOption("max-tokens", .int(2...1_000_000), help: "cut prompts at N tokens, BOS counted (default: 64)"),
        CommandOption("no-bos", help: "do not put the begin token in front of prompts"),
        CommandOption("sublayers", help: "also each layer's attention and MLP alone"),
        CommandOption("heads", help: "also each query head"),
        CommandOption("head-layers", .indices, help: "only the heads of these layers, as in 3,5,10-12; implies --heads"),
        CommandOption("kv-groups", help: "also all query heads of each key/value head together"),
        CommandOption("neurons", help: "also how strongly and how often each MLP neuron fires"),
        CommandOption("proxies", help: "also cheap scores of layers, and how well they predict the measured KL"),
        CommandOption(
          "suggest-drop", .int(1...10_000), placeholder: "K", help: "suggest K layers to drop: greedy, measured again after each removal"),
        CommandOption("one-shot", help: "with --suggest-drop: the K layers with the least KL instead"),
        CommandOption(
          "ablation", .choice(["zero", "mean"]), help: "what replaces a part: nothing, or its mean over all tokens (default: zero)"),
        .output("write the report (JSON) here"),
        CommandOption("html", .string, placeholder: "FILE", help: "write the report as one HTML page"),
        .force,
        CommandOption("resume", help: "continue an interrupted study from the journal beside -o"),
        CommandOption("shard", .string, placeholder: "I/N", help: "do part I of N (from 1); auto takes rank and size from mpirun or srun"),
        CommandOption("merge", help: "join the reports of all parts into one"),
        CommandOption("memory", .size, help: "memory for the study beside the weights (default: half of what is free, at most 4G)"),
        .backend,
      ] + CommandOption.computing + [.profile, .json, .quiet, .verbose],
      // What the parts measured is measured.
      exclusive: [
        "calibration", "max-tokens", "no-bos", "sublayers", "heads", "head-layers", "kv-groups", "neurons", "proxies", "suggest-drop",
        "one-shot", "ablation", "resume", "shard", "memory",
      ].map { ["merge", $0] } + [["shard", "html"]],
      examples: [
        .init(
          "hoof ablate base.hoof --calibration prompts.txt --sublayers --heads --proxies -o ablation.json --html ablation.html",
          "the usual study"),
        .init("hoof ablate base.hoof --calibration prompts.txt --suggest-drop 2 -o ablation.json", "which two layers to drop"),
        .init(
          "mpirun -n 4 hoof ablate base.hoof --calibration prompts.txt --heads --shard auto -o part.json", "spread over four processes,"),
        .init("hoof ablate --merge part-*-of-4.json -o ablation.json", "and put together"),
      ]),
    run: { arguments in
      if arguments.has("merge") {
        try mergeReports(arguments)
      } else {
        try AblationRun(arguments).run()
      }
    })
}
