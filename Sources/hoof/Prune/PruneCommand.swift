import Surgery
import Terminal

extension Command {
  static let prune = Command(
    spec: CommandSpec(
      "prune", summary: "cut a model by a named method, to a budget or as far as a limit allows",
      details: """
        Chooses what goes by --method, as much as --drop, --ratio, --target-params or --target-bytes say, and stops before --max-kl or
        --max-ppl-increase would be crossed. Everything that was chosen, and why, is written to a plan file, from which the same cut can be
        made again (--plan without --method); several cuts in one file are made at once. Layers count from 0.

        Methods, what they count, and what they cost in passes over the calibration texts (L layers, K of them to go):
        \(methods)
        """,
      positionals: [Positional("MODEL", help: ".hoof file or Hugging Face folder")],
      options: [
        .output("the .hoof file to write"),
        CommandOption(
          "method", .choice(PruneMethod.allCases.map(\.rawValue)), placeholder: "NAME", help: "how to choose what goes, see above"),
        CommandOption(
          "drop", .int(1...1_000_000), placeholder: "K", help: "cut K layers (finercut: sublayers)"),
        CommandOption("ratio", .double(0.0001...0.9999), placeholder: "R", help: "cut this share of what the method cuts"),
        CommandOption("target-params", .int(1...Int.max), placeholder: "N", help: "cut until at most N parameters are left"),
        CommandOption("target-bytes", .size, help: "cut until the weights, as stored, take at most SIZE"),
        CommandOption(
          "max-kl", .double(0...Double.greatestFiniteMagnitude), placeholder: "X",
          help: "stop before KL(full ‖ cut) on the calibration texts exceeds X nats"),
        CommandOption(
          "max-ppl-increase", .string, placeholder: "P", help: "stop before their perplexity rises by more than P per cent: 10 or 10%"),
        CommandOption(
          "plan", .string, placeholder: "FILE",
          help: "with --method: write the plan here (default: OUT with .plan.json); without: make the cuts of this plan"),
        CommandOption(
          "calibration", .string, placeholder: "FILE", help: "texts to measure on: .txt (one per line), .json (array of strings) or .jsonl"),
        CommandOption("max-tokens", .int(2...1_000_000), help: "cut texts at N tokens, BOS counted (default: 64)"),
        CommandOption("no-bos", help: "do not put the begin token in front of texts"),
        CommandOption(
          "metric", .choice(SearchMetric.allCases.map(\.rawValue)),
          help: "greedy, finercut: what candidates are compared by (default: kl; finercut: js)"),
        CommandOption(
          "exclude", .double(0...0.99), placeholder: "X",
          help: "finercut: leave the first X/2 of the layers alone until a share X of all sublayers has gone (default: 0; the paper: 0.4)"),
        CommandOption(
          "axes", .string, placeholder: "LIST",
          help:
            "minitron: what is cut by --ratio each, of \(WidthPruning.Axis.allCases.map(\.rawValue).joined(separator: ",")) (default: mlp)"),
        CommandOption("neuron-multiple", .int(1...1_000_000), help: "kept neurons and channels are multiples of N (default: 32)"),
        CommandOption(
          "patch", .choice(CutPlan.Patch.Kind.allCases.map(\.rawValue)),
          help: "repair the residual stream where layers went (LinearPatch, arXiv 2505.24680), wherever that lowers KL"),
        CommandOption("keep-ends", help: "never cut the first and the last layer"),
        .seed,
      ] + MatrixType.options + [
        CommandOption("dry-run", help: "print the plan with sizes and expected speed, and write nothing"),
        CommandOption("force", help: "replace existing files, and replay a plan that was made for another model"),
        CommandOption("resume", help: "continue an interrupted search from the journal beside -o"),
        CommandOption("memory", .size, help: "memory for measuring beside the weights (default: half of what is free, at most 4G)"),
        .backend,
      ] + CommandOption.computing + [.json, .quiet],
      exclusive: [
        MatrixType.flags, ["drop", "ratio", "target-params", "target-bytes"], ["dry-run", "resume"],
      ],
      examples: [
        .init("hoof prune base.hoof -o cut.hoof --method greedy --calibration prompts.txt --drop 2", "the usual cut"),
        .init(
          "hoof prune base.hoof -o cut.hoof --method finercut --calibration prompts.txt --max-ppl-increase 10% --q4k",
          "as many sublayers as 10 % perplexity allow, stored as Q4_K"),
        .init("hoof prune base.hoof --plan cut.plan.json -o again.hoof", "the same cut once more"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      if arguments.has("method") { return try PruneRun(arguments).run() }
      guard arguments.has("plan") else {
        throw UsageError(command: "prune", "--method NAME is missing, or --plan FILE to make the cuts of a plan")
      }
      try PruneReplay(arguments).run()
    })

  private static let methods = PruneMethod.allCases.map { method in
    let facts = method.facts
    let needs = facts.calibration == .texts ? "\(facts.cost) passes" : "no texts"
    return "  \(method.rawValue.padded(to: 15)) \(facts.formula) (\(facts.unit.rawValue); \(needs); \(facts.source))"
  }.joined(separator: "\n")
}
