import Formats
import Surgery
import Terminal

extension Command {
  static let create = Command(
    spec: CommandSpec(
      "create", summary: "make a .hoof file of a model: convert, quantise, leave parts out",
      details: """
        Matrices keep their type unless one is asked for; norms are always f32. Options that leave parts out add up. Scores of neurons and heads
        are those of the uncut SOURCE: from the report of --layers if it has them, else measured. Layers, heads and neurons count from 0. An
        adapter belongs to the whole SOURCE: its weights are added before anything is left out, and scores are those without it.
        """,
      positionals: [Positional("SOURCE", help: "a Hugging Face folder, a .hoof file or a GGUF file")],
      options: [
        .output("the .hoof file to write")
      ] + MatrixType.options + [
        CommandOption("merge-adapter", .string, placeholder: "DIR", help: "add this LoRA adapter (a PEFT folder) to the weights"),
        CommandOption("layers", .string, placeholder: "REPORT.json", help: "drop the suggested_drop of this ablation report"),
        CommandOption("drop-layers", .indices, help: "drop these layers: 3,5,10-12 (0-based, inclusive)"),
        CommandOption("keep-layers", .indices, help: "drop all but these layers"),
        CommandOption("drop-attention", .indices, help: "drop the attention of these layers, keep their MLP"),
        CommandOption("drop-mlp", .indices, help: "drop the MLP of these layers, keep their attention"),
        CommandOption(
          "prune-neurons", .double(0...Double.greatestFiniteMagnitude), placeholder: "T", help: "drop MLP neurons that score below T"),
        CommandOption("neuron-ratio", .double(0...0.999), placeholder: "R", help: "drop the least share R of each layer's MLP neurons"),
        CommandOption(
          "neuron-score", .choice(NeuronScore.allCases.map(\.rawValue)),
          help: "what neurons are ranked by (default: mean-abs, the mean of |a| over tokens, then prompts)"),
        CommandOption(
          "neuron-multiple", .int(1...65536), help: "kept neurons are rounded up to a multiple of N, at least one (default: 32)"),
        CommandOption("prune-heads", .string, placeholder: "SPEC", help: HeadArgument.help),
        CommandOption(
          "calibration", .string, placeholder: "FILE",
          help: "texts to score neurons and heads on: .txt, .json or .jsonl (default: the report's scores, else its texts)"),
        CommandOption("max-tokens", .int(2...1_000_000), help: "cut them at N tokens, BOS counted (default: 64)"),
        CommandOption("no-bos", help: "do not put the begin token in front of them"),
        CommandOption("force", help: "replace an existing output file; use a report or an adapter that was made from another model"),
        CommandOption("dry-run", help: "print the plan and write nothing"), .backend,
      ] + CommandOption.computing + [.json, .quiet, CommandOption("verbose", short: "v", help: "list every tensor of the plan")],
      exclusive: [MatrixType.flags, ["layers", "drop-layers", "keep-layers"], ["prune-neurons", "neuron-ratio"]],
      examples: [
        .init("hoof create Llama-3.2-3B-Instruct/ -o base.hoof --q8", "import a Hugging Face folder as Q8_0"),
        .init("hoof create base.hoof -o cut.hoof --layers ablation.json --dry-run", "what a cut would save"),
        .init(
          "hoof create Llama-3.2-3B-Instruct/ -o pruned.hoof --layers ablation.json --prune-neurons 0.005 --q4k",
          "drop layers and quiet neurons by a report, and quantise"),
        .init(
          "hoof create base.hoof -o healed.hoof --merge-adapter lora/ --q8", "one model of a base and what was trained beside it"),
        .init(
          "hoof create base.hoof -o cut.hoof --neuron-ratio 0.2 --neuron-score wanda --prune-heads each:0.5 --calibration prompts.txt",
          "a fifth of the neurons and half of the heads of each group"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      let isDry = arguments.has("dry-run")
      guard let output = arguments.string("output") ?? (isDry ? "" : nil) else {
        throw UsageError(command: "create", "-o is missing: -o OUT.hoof")
      }
      let source = try Models.open(arguments.first("SOURCE")!)
      let request = try RequestedCut(source, arguments)
      let adapter = try arguments.string("merge-adapter").map { try Models.adapter($0, for: source, anyBase: arguments.has("force")) }
      let plan = try Creation.plan(source, matrixType: MatrixType.wanted(arguments), request, merging: adapter)
      if !arguments.has("quiet") { for note in request.notes + plan.notes { Output.note("hoof: \(note)") } }
      if !isDry { try Creation.write(plan, to: output, arguments) }
      let result = Creation(plan: plan, cut: request.plan, notes: request.notes + plan.notes, output: isDry ? nil : output)
      if arguments.has("json") { return try Output.line(result.json.text(pretty: true)) }
      try Output.write(result.text(withTensors: arguments.has("verbose")))
    })
}
