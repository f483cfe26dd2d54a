import Formats
import Generation
import Terminal
import Training

extension Command {
  static let finetune = Command(
    spec: CommandSpec(
      "finetune", summary: "train a model further: heal a cut, or teach it something",
      details: """
        Reads examples (.jsonl with messages, prompt and completion, instruction, input and output, or text; .txt; .json), makes as many steps as
        --steps or --epochs say, and writes the trained model. Weights are trained in 32 bits on the CPU, and on a GPU in bf16 with 32-bit
        masters. Matrices are stored as the model stores them unless another type is asked for.

        OUT.checkpoint is saved on the way and by Ctrl-C; the same command with --resume goes on from it, to the very same result.
        OUT.log.jsonl has a line for every step.
        """,
      positionals: [Positional("MODEL", .optional, help: ".hoof file or Hugging Face folder; none with --init")],
      options: options,
      exclusive: [
        MatrixType.flags, ["steps", "epochs"], ["batch", "batch-tokens"], ["eval-data", "eval-split"], ["dry-run", "resume"],
        ["patch-only", "layers-near-cut"], ["deterministic", "cublas"],
      ],
      examples: [
        .init("hoof finetune cut.hoof --data pitches.jsonl --steps 800 --lr 5e-6 -o pitcher.hoof", "all weights, as far as 800 steps go"),
        .init(
          "hoof finetune cut.hoof --data chat.jsonl --eval-split 0.05 --keep-best --html loss.html -o healed.hoof",
          "three epochs; what is written is the state that was best on a twentieth of the examples"),
        .init(
          "hoof finetune cut.hoof --teacher base.hoof --data stories.txt --steps 300 --lr 1e-4 -o healed.hoof",
          "what the uncut model would say"),
        .init("hoof finetune base.hoof --data chat.jsonl --lora-rank 16 -o lora/", "an adapter of a model that may be quantised"),
        .init("hoof finetune cut.hoof --data chat.jsonl --dry-run", "what it would take"),
        .init(
          "hoof finetune --init config.json --tokenizer tokenizer.json --data stories.txt --epochs 1 --batch 32 --lr 1e-3 --bf16 -o new.hoof",
          "a new model"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      try FinetuneRun(arguments).run()
    })

  private static let options: [CommandOption] = [
    subject, length, examples, method, adapter, teaching, evaluation, keeping, MatrixType.options, memory, CommandOption.computing, rest,
  ].flatMap(\.self)

  private static let subject: [CommandOption] = [
    CommandOption("data", .string, placeholder: "FILE", help: "the examples"),
    .output("the .hoof file to write, or FOLDER/ in the format of Hugging Face; an adapter alone goes to a folder that PEFT reads"),
    CommandOption(
      "init", .string, placeholder: "CONFIG", help: "train a new model of this config.json, from random weights (normal, deviation 0.02)"),
    CommandOption("tokenizer", .string, placeholder: "FILE", help: "with --init: its tokenizer.json"),
  ]

  private static let rest: [CommandOption] = [
    CommandOption("dry-run", help: "show what would be trained, what it needs, and one example with its scored tokens; train nothing"),
    .force, .json, .quiet,
  ]

  private static let length: [CommandOption] = [
    CommandOption("steps", .int(1...1_000_000_000), help: "stop after N steps"),
    CommandOption("epochs", .int(1...1_000_000), placeholder: "E", help: "stop when every example was seen E times (default: 3)"),
    CommandOption("lr", .double(0...1e30), placeholder: "RATE", help: "learning rate at its peak (default: \(TrainingKind.defaultRates))"),
    CommandOption(
      "schedule", .choice(Schedule.Kind.allCases.map(\.rawValue)), help: "what the learning rate does after the warm-up (default: cosine)"),
    CommandOption(
      "warmup", .string, placeholder: "N|P%", help: "steps, or share of all steps, in which the learning rate rises (default: 3%)"),
    CommandOption(
      "min-lr", .double(0...1000), placeholder: "RATE", help: "learning rate at the end of a linear or cosine schedule (default: 0)"),
    CommandOption("batch", .int(1...1_000_000), help: "examples of a batch (default: 8)"),
    CommandOption("batch-tokens", .int(1...1_000_000_000), help: "instead, as many examples as fit into N tokens"),
    CommandOption("accumulate", .int(1...1_000_000), help: "batches of a step (default: 1)"),
  ]

  private static let examples: [CommandOption] = [
    CommandOption(
      "max-tokens", .int(2...10_000_000), help: "most tokens of an example (default: 2048, or the model's context if that is less)"),
    CommandOption("long", .choice(TrainingData.Options.Long.allCases.map(\.rawValue)), help: "what to do with longer ones (default: cut)"),
    CommandOption(
      "train-on", .choice(TrainingData.Options.Scores.allCases.map(\.rawValue)),
      help: "what the loss counts: answers, or prompts too (default: answers)"),
    CommandOption(
      "chat-template", .choice(ChatFormat.Name.allCases.map(\.rawValue)), help: "how conversations are written (default: the model's own)"),
    CommandOption("no-bos", help: "do not put the begin token in front of examples"),
  ]

  private static let method: [CommandOption] = [
    CommandOption("optimizer", .choice(Optimizer.Kind.allCases.map(\.rawValue)), help: "(default: adamw)"),
    CommandOption("weight-decay", .double(0...1000), help: "of matrices (default: 0)"),
    CommandOption("beta1", .double(0...0.999999), help: "(default: 0.9)"),
    CommandOption("beta2", .double(0...0.999999), help: "(default: 0.999)"),
    CommandOption("epsilon", .double(0...1), help: "(default: 1e-8)"),
    CommandOption("clip", .double(0...Double.greatestFiniteMagnitude), help: "largest gradient norm; 0 takes it as it is (default: 1)"),
    CommandOption("freeze", .string, placeholder: "NAMES", help: "tensors that stay as they are: names with *, separated by commas"),
    CommandOption("patch-only", help: "train nothing but the patches that 'hoof prune --patch' left"),
    CommandOption("layers-near-cut", help: "train the layers beside every cut, and nothing else"),
    CommandOption("layers-each-side", .int(1...1_000_000), help: "with --layers-near-cut: so many on each side (default: 1)"),
    CommandOption("no-master", help: "on a GPU: no 32-bit masters of bf16 weights; steps are rounded at random instead"),
    .seed,
  ]

  private static let adapter: [CommandOption] = [
    CommandOption(
      "lora-rank", .int(1...65536), placeholder: "R",
      help: "train a low-rank adapter beside the frozen model (LoRA), which may be quantised"),
    CommandOption("lora-alpha", .double(0.0001...1e6), placeholder: "A", help: "its products are scaled by A/R (default: twice the rank)"),
    CommandOption("lora-dropout", .double(0...0.99), help: "share of an adapter's inputs that is dropped (default: 0)"),
    CommandOption(
      "lora-targets", .string, placeholder: "LIST",
      help: "all, or some of \(AdapterTargets.parts.map(\.moduleName).joined(separator: ",")) (default: all)"),
    CommandOption("rslora", help: "scale by A/√R"),
    CommandOption("adapter", .string, placeholder: "DIR", help: "go on with this adapter, a PEFT folder"),
  ]

  private static let teaching: [CommandOption] = [
    CommandOption("teacher", .string, placeholder: "MODEL", help: "learn what this model says, usually the uncut one (distillation)"),
    CommandOption("temperature", .double(0.05...100), placeholder: "T", help: "of both sides' predictions (default: 1)"),
    CommandOption(
      "distill-weight", .double(0.000001...1), placeholder: "W",
      help: "weight of the teacher; the data's own next tokens have 1 - W (default: 1)"),
    CommandOption(
      "hidden-weight", .double(0...1e6), placeholder: "W",
      help: "weight of the distance of the residual streams, layer by layer (default: 0)"),
    CommandOption(
      "self-data", help: "have the teacher, or without one the model itself, answer the prompts of --data, and learn from its answers"),
  ]

  private static let evaluation: [CommandOption] = [
    CommandOption("eval-data", .string, placeholder: "FILE", help: "examples that are not trained on, to measure the loss on"),
    CommandOption("eval-split", .double(0.000001...0.9), placeholder: "SHARE", help: "instead, hold out this share of --data"),
    CommandOption("eval-every", .int(1...1_000_000_000), placeholder: "K", help: "measure every K steps (default: ten times in all)"),
    CommandOption("keep-best", help: "write the state of least held-out loss, not the last one"),
  ]

  private static let keeping: [CommandOption] = [
    CommandOption(
      "save-every", .string, placeholder: "K|Mm", help: "save a checkpoint every K steps, or M minutes, as in 30m; 0 never (default: 10m)"),
    CommandOption("resume", help: "go on from OUT.checkpoint"),
    CommandOption("deterministic", help: "on a GPU: the same bits every time, also with --resume, as always on the CPU; without cuBLAS"),
    CommandOption("finish", help: "with --resume: make no more steps, write the state that was saved"),
    CommandOption("log", .string, placeholder: "FILE", help: "a JSON line for every step (default: OUT.log.jsonl)"),
    CommandOption("html", .string, placeholder: "FILE", help: "a page with the loss curve"),
  ]

  private static let memory: [CommandOption] = [
    CommandOption(
      "checkpoint-activations", .choice(["auto", "on", "off"]),
      help: "compute layers a second time instead of keeping what they computed: a third slower, much less memory (default: auto)"),
    .backend,
    CommandOption("memory", .size, help: "memory for a step beside weights and moments (default: half of what is free)"),
  ]
}
