import Spelling
import TensorCore
import Terminal

/// From the words of a command line to an exit code.
enum Program {
  static let version = "0.1.0"

  static func run(_ words: [String]) -> Int32 {
    do {
      try dispatch(words)
      return 0
    } catch let error as UsageError {
      Output.note(error.description)
      return 2
    } catch let stop as Interrupted {
      Output.note("hoof: interrupted" + (stop.saved.map { "; \($0)" } ?? ""))
      return 130
    } catch let error as CommandError {
      Output.note("hoof: \(error)")
      return 1
    } catch {
      Output.note("hoof: \(error)".onOneLine)
      return 1
    }
  }

  private static func dispatch(_ words: [String]) throws {
    if let package = try PackagedProgram.find() { return try package.run(words) }
    guard let first = words.first else { return try Output.write(overview) }
    switch first {
    case "help": return try help(Array(words.dropFirst()))
    case "--help", "-h": return try Output.write(overview)
    case "--version": return try Output.line("hoof \(version)")
    default: break
    }
    let command = try find(first)
    let arguments = try ArgumentParser(command.spec, environment: Output.environment).parse(Array(words.dropFirst()))
    if arguments.wantsHelp { return try Output.write(command.spec.helpText) }
    try command.run(arguments)
  }

  private static func help(_ words: [String]) throws {
    if words.count > 1 { throw UsageError(command: nil, "'\(words[1])' is one argument too many: hoof help [COMMAND]") }
    guard let name = words.first, !name.hasPrefix("-") else { return try Output.write(overview) }
    try Output.write(try find(name).spec.helpText)
  }

  private static func find(_ name: String) throws(UsageError) -> Command {
    if let command = (Command.all + Command.hidden).first(where: { $0.spec.name == name }) { return command }
    if name.hasPrefix("-") { throw UsageError(command: nil, "there is no option \(name) before a command: hoof COMMAND [options]") }
    let hint = NearestName.hint(for: name, in: Command.all.map(\.spec.name) + ["help"])
    throw UsageError(command: nil, "there is no command '\(name)'\(hint)")
  }

  private static var overview: String {
    """
    hoof: surgery on Llama-family language models: measure what every part does, cut what does not matter.

    Usage: hoof COMMAND INPUT… [-o OUT] [options]

    Commands:
    \(HelpText.table(Command.all.map { ($0.spec.name, $0.spec.summary) }))
    hoof help COMMAND explains one; hoof --version prints \(version).

    Example:
      hoof create Llama-3.2-1B/ -o base.hoof --q8
          makes the file the other commands work on

    """
  }
}
