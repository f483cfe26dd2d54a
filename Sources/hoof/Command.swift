import Terminal

/// A subcommand: what it accepts and what it does. Failures are `CommandError`, `UsageError` or `Interrupted`.
struct Command: Sendable {
  let spec: CommandSpec
  let run: @Sendable (Arguments) throws -> Void

  /// Every subcommand, in the order of `hoof help`.
  static let all: [Command] = [
    .create, .inspect, .ablate, .prune, .finetune, .eval, .compare, .generate, .chat, .serve, .export, .package, .tokenize, .bench,
    .backends, .selftest, .research,
  ]

  /// For the developers of hoof: they run and explain themselves like the others, and no list names them.
  static let hidden: [Command] = [.randomModel]
}
