import Tasks
import Terminal

/// What goes with `hoof eval --tasks` alone.
enum TaskOptions {
  static let options: [CommandOption] = [
    CommandOption(
      "tasks", .string, placeholder: "LIST", help: "benchmarks, groups or patterns, as in hellaswag,mmlu,arc_*; 'list' shows all"),
    CommandOption("data", .string, placeholder: "DIR", help: "where the benchmarks' files are; nothing is downloaded"),
    CommandOption("task-file", .strings, placeholder: "FILE", help: "a task of your own (JSON, docs/tasks.md); may be given again"),
    CommandOption("num-fewshot", .int(0...1000), help: "examples in front of each question (default: as the task says)"),
    CommandOption("against", .string, placeholder: "BASE", help: "compare with this model question by question"),
    CommandOption("samples", .string, placeholder: "FILE", help: "write every question with its answers here, one JSON object per line"),
    CommandOption("html", .string, placeholder: "FILE", help: "write one HTML page with the scores of all models"),
    CommandOption("max-length", .int(8...10_000_000), help: "tokens that the model reads at most (default: its context)"),
    CommandOption("bootstrap-iters", .int(0...10_000_000), help: "resamples of perplexities' errors (default: 100000); 0: no errors"),
    CommandOption("fewshot-seed", .int(0...Int(UInt32.max)), help: "of the choice of examples (default: 1234)"),
    CommandOption(
      "cache", .string, placeholder: "DIR", environment: "HOOF_CACHE",
      help: "where answers are kept, so that no model is asked twice (default: ~/.cache/hoof)"),
    CommandOption("no-cache", help: "neither read answers from there nor keep them"),
    CommandOption("resume", help: "only go on from answers that are kept; refuses to begin anew"),
  ]

  /// Of which `--tasks` and others take some.
  static let names = options.map(\.name).filter { $0 != "tasks" }
}

extension TaskCatalogue {
  /// For `--tasks list`.
  var listing: String {
    """
    groups  \(groupNames.joined(separator: ", "))
    tasks   \(names.joined(separator: ", "))

    Patterns such as mmlu_*  and names of .jsonl files under --data in the plain form (docs/tasks.md) are tasks as well.

    """
  }
}
