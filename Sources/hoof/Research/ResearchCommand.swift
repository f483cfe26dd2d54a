import Surgery
import Terminal

extension Command {
  /// One command whose first word names the study: the parser needs nothing new, and `hoof help` has one line that says what it is.
  static let research = Command(
    spec: CommandSpec(
      "research", summary: "(research) questions of method, measured: does choosing layers per prompt beat a static cut?",
      details: """
        Research: what comes out is a finding, not a model, and nothing else of hoof depends on it.

        skip: dynamic skipping. Every text is left without K layers. Does it pay to choose them for each text, from its first tokens, when a
        static cut leaves out equally many? Sets of K layers are searched on calibration texts (greedily, over all texts and over each
        cluster of texts with alike beginnings); each router chooses one of them for every held-out text. What is scored are the tokens
        behind those that the choice was made from, the same for every router.

        Routers: static (the best set for all calibration texts), clusters (the nearest of k-means' centres), regression (ridge, from the
        signal to each set's KL), and two controls: random, and the oracle, which takes the best set for each text after the fact.
        """,
      positionals: [
        Positional("STUDY", help: "skip"),
        Positional("MODEL", help: ".hoof file or Hugging Face folder"),
      ],
      options: [
        CommandOption(
          "calibration", .string, placeholder: "FILE", help: "texts to choose sets and fit routers on: .txt (one per line), .json or .jsonl"
        ),
        CommandOption("data", .string, placeholder: "FILE", help: "held-out texts to measure on, in the same forms"),
        CommandOption("drop", .int(1...10_000), placeholder: "K", help: "how many layers every text is left without"),
        CommandOption(
          "prompt-tokens", .int(1...1_000_000), help: "choose from the first N tokens, BOS counted; score what follows (default: 16)"),
        CommandOption("max-tokens", .int(2...1_000_000), help: "cut texts at N tokens, BOS counted (default: 64)"),
        CommandOption("no-bos", help: "do not put the begin token in front of texts"),
        CommandOption("clusters", .int(1...10_000), help: "how many clusters of texts (default: 4)"),
        CommandOption(
          "depth", .int(0...10_000),
          help: "choose from the mean residual behind the first N layers, which every router's sets keep (default: 0, token embeddings)"),
        CommandOption(
          "sets", .choice(SkipOptions.Pool.allCases.map(\.rawValue)),
          help: "choose among the sets that searches find, or among all of K layers (default: found)"),
        .seed, .json, .output("write the result (JSON) here"), .force,
        CommandOption("memory", .size, help: "memory for the study beside the weights (default: half of what is free, at most 4G)"),
        .backend,
      ] + CommandOption.computing + [.quiet],
      examples: [
        .init(
          "hoof research skip base.hoof --calibration mixed.txt --data heldout.txt --drop 3",
          "three layers less: one cut for all, or one for each text?"),
        .init(
          "hoof research skip base.hoof --calibration mixed.txt --data heldout.txt --drop 3 --depth 2 --sets all -o skip.json",
          "chosen behind layer 1, among all sets of three other layers"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      let study = arguments.first("STUDY")!
      guard study == "skip" else { throw UsageError(command: "research", "there is no study '\(study.onOneLine)'; the one there is: skip") }
      try SkipRun(arguments).run()
    })
}
