import Formats
import Terminal

extension Command {
  static let package = Command(
    spec: CommandSpec(
      "package", summary: "engine, model and chat page in one executable file",
      details: """
        Started without arguments, the file serves its model on a port of this machine and opens the chat page; with arguments it is a hoof
        that knows generate, chat, serve, inspect and bench of its own model. The model is mapped straight from the file. Every command of hoof
        opens a package as it opens a .hoof file.

        --universal makes sure that the file runs on any x86-64 Linux with glibc 2.35 or newer (2022) and nothing else installed; it uses AVX2,
        AVX-512 and an NVIDIA GPU where they are.
        """,
      positionals: [Positional("MODEL", help: ".hoof file, Hugging Face folder or GGUF file")],
      options: [
        .output("the executable to write"),
        CommandOption("universal", help: "refuse unless the file runs on other machines too"),
        CommandOption("name", .string, placeholder: "NAME", help: "what the model is called (default: the name of the file)"),
        CommandOption("system", .string, placeholder: "TEXT", help: "the system prompt of chats that bring none"), .threads, .force, .json,
        .quiet,
      ],
      examples: [
        .init("hoof package pitcher.hoof --universal -o movie-pitcher", "one file to give away; ./movie-pitcher starts it"),
        .init("hoof package pitcher.hoof -o pitcher --system 'You pitch movies in one sentence.'", "with a role of its own"),
      ]),
    run: { arguments in
      Interrupt.catchSignals()
      try PackageRun(arguments).run()
    })
}
