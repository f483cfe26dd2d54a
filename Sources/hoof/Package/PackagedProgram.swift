import Formats
import Spelling
import Terminal

/// A hoof that carries a model: what its words mean.
struct PackagedProgram {
  let model: PackagedModel
  /// As it was called.
  let name: String

  private static let commands: [Command] = [.generate, .chat, .serve, .inspect, .bench]

  /// nil in a hoof without a model.
  static func find() throws(FormatError) -> PackagedProgram? {
    guard let model = try PackagedModel.find(path: OwnExecutable.path) else { return nil }
    return PackagedProgram(model: model, name: OwnExecutable.name.split(separator: "/").last.map(String.init) ?? "package")
  }

  func run(_ words: [String]) throws {
    do { try dispatch(words) } catch var error as UsageError {
      error.program = name
      throw error
    }
  }

  private func dispatch(_ words: [String]) throws {
    guard let first = words.first else { return try serve() }
    switch first {
    case "--version": return try Output.line("hoof \(Program.version)")
    case "--help", "-h": return try Output.write(overview)
    case "help":
      guard words.count > 1 else { return try Output.write(overview) }
      return try Output.write(find(words[1]).spec.helpText(as: name))
    default: break
    }
    let command = try find(first)
    let parser = ArgumentParser(command.spec, environment: Output.environment)
    let arguments = try parser.parse(own(command, given: Array(words.dropFirst())))
    if arguments.wantsHelp { return try Output.write(command.spec.helpText(as: name)) }
    try command.run(arguments)
  }

  /// The page, on the package's port and in the browser.
  private func serve() throws {
    let words = own(.serve, given: ["--port=\(HomePort.port(for: model.settings.name))"])
    try ServeRun(ArgumentParser(Command.serve.spec, environment: Output.environment).parse(words)).run { address in
      try Output.line(address)
      Output.note("\(name): \(Browser.open(address) ? "opened in the browser" : "open this address in a browser"); Ctrl-C ends it")
    }
  }

  /// The words of a command with the model in its place, and what the package says about it unless they say otherwise.
  private func own(_ command: Command, given words: [String]) -> [String] {
    let options = Set(command.spec.options.map(\.name))
    func isGiven(_ option: String) -> Bool { words.contains { $0 == "--" + option || $0.hasPrefix("--\(option)=") } }
    var own = [OwnExecutable.path]
    // With further models, names are for the user to give.
    let parsed = try? ArgumentParser(command.spec, environment: Output.environment).parse(own + words)
    if options.contains("alias"), !isGiven("alias"), parsed?.all("MODEL").count == 1 { own += ["--alias", model.settings.name] }
    if options.contains("system"), let system = model.settings.system, !isGiven("system"), !isGiven("raw") { own += ["--system", system] }
    return own + words
  }

  private func find(_ name: String) throws(UsageError) -> Command {
    if let command = Self.commands.first(where: { $0.spec.name == name }) { return command }
    let names = Self.commands.map(\.spec.name)
    let hint = NearestName.hint(for: name, in: names + ["help"])
    let knows =
      Command.all.contains { $0.spec.name == name }
      ? "a package has no command '\(name)', the whole hoof has" : "there is no command '\(name)'"
    throw UsageError(command: nil, knows + hint)
  }

  private var overview: String {
    """
    \(name): the language model '\(model.settings.name)' with all it needs to run, made with hoof.

    Usage: \(name)                       serve it on this machine and open the chat page
           \(name) COMMAND [options]

    Commands:
    \(HelpText.table(Self.commands.map { ($0.spec.name, $0.spec.summary) }))
    \(name) help COMMAND explains one. The model of every command is the one in this file.

    """
  }
}
