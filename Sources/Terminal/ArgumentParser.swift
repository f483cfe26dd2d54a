import Spelling

/// A command line nobody can act on: exit code 2.
public struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
  /// nil when no command was recognised.
  public let command: String?
  public let reason: String
  /// What the user calls the program.
  public var program = "hoof"
  public init(command: String?, _ reason: String) {
    self.command = command
    self.reason = reason
  }
  public var description: String {
    let name = command.map { "\(program) \($0)" } ?? program
    return "\(name): \(reason)\nRun '\(name) --help' for what it accepts."
  }
}

/// Reads words into the options and places a command declared. GNU manners: `--flag value`, `--flag=value`, `-o value`, `-ovalue`, `-qv`,
/// options anywhere, `--` ends them. Of an option given twice the last counts; index lists and options of several texts add up.
public struct ArgumentParser {
  private let spec: CommandSpec
  private let environment: (String) -> String?

  public init(_ spec: CommandSpec, environment: @escaping (String) -> String?) {
    self.spec = spec
    self.environment = environment
  }

  public func parse(_ words: [String]) throws(UsageError) -> Arguments {
    var arguments = Arguments(spec: spec)
    var free: [String] = []
    var at = 0
    while at < words.count {
      let word = words[at]
      at += 1
      if word == "--" {
        free += words[at...]
        break
      }
      if word == "--help" || word == "-h" {
        arguments.wantsHelp = true
        return arguments
      }
      if word.hasPrefix("--") {
        try long(word, words, &at, &arguments)
      } else if word.hasPrefix("-"), word != "-", Double(word) == nil {
        try short(word, words, &at, &arguments)
      } else {
        free.append(word)
      }
    }
    try readEnvironment(into: &arguments)
    try checkExclusions(arguments)
    arguments.places = try places(free)
    return arguments
  }

  private func fail(_ reason: String) -> UsageError { UsageError(command: spec.name, reason) }

  private func long(_ word: String, _ words: [String], _ at: inout Int, _ arguments: inout Arguments) throws(UsageError) {
    let pieces = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let option = spec.options.first(where: { $0.name == pieces[0] }) else {
      let known = spec.options.map(\.name) + ["help"]
      let hint = NearestName.nearest(to: pieces[0], in: known).map { "; did you mean --\($0)?" } ?? ""
      throw fail("there is no option --\(pieces[0])\(hint)")
    }
    if pieces.count == 2 {
      try set(option, to: pieces[1], shown: "--\(option.name)", in: &arguments)
    } else if option.isFlag {
      arguments.values[option.name] = .flag
    } else {
      try set(option, to: try next(words, &at, for: "--\(option.name)", option), shown: "--\(option.name)", in: &arguments)
    }
  }

  private func short(_ word: String, _ words: [String], _ at: inout Int, _ arguments: inout Arguments) throws(UsageError) {
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      guard let option = spec.options.first(where: { $0.short == letter }) else {
        let name = String(word.dropFirst())
        let isMistypedLong = spec.options.contains { $0.name == name }
        throw fail("there is no option -\(letter)\(isMistypedLong ? "; did you mean --\(name)?" : "")")
      }
      if option.isFlag {
        arguments.values[option.name] = .flag
        continue
      }
      if letters.first == "=" { letters.removeFirst() }
      let value = letters.isEmpty ? try next(words, &at, for: "-\(letter)", option) : String(letters)
      return try set(option, to: value, shown: "-\(letter)", in: &arguments)
    }
  }

  /// The word after an option, unless it is plainly the next option.
  private func next(_ words: [String], _ at: inout Int, for shown: String, _ option: CommandOption) throws(UsageError) -> String {
    guard at < words.count else { throw fail("\(shown) needs a value: \(shown) \(option.placeholder)") }
    let word = words[at]
    guard !word.hasPrefix("-") || word == "-" || Double(word) != nil else {
      throw fail("\(shown) needs a value, but '\(word)' follows; a value that starts with '-' is written --\(option.name)=\(word)")
    }
    at += 1
    return word
  }

  private func set(_ option: CommandOption, to text: String, shown: String, in arguments: inout Arguments) throws(UsageError) {
    do throws(CommandOption.Refusal) {
      let value = try option.read(text)
      if case .indices(let new) = value, case .indices(let old)? = arguments.values[option.name] {
        arguments.values[option.name] = .indices(Set(old + new).sorted())
      } else if case .strings(let new) = value, case .strings(let old)? = arguments.values[option.name] {
        arguments.values[option.name] = .strings(old + new)
      } else {
        arguments.values[option.name] = value
      }
    } catch {
      throw fail("\(shown): \(error.reason)")
    }
  }

  private func readEnvironment(into arguments: inout Arguments) throws(UsageError) {
    // What is typed wins, also against what it excludes.
    let excluded = Set(spec.exclusive.filter { $0.contains { arguments.values[$0] != nil } }.joined())
    for option in spec.options where arguments.values[option.name] == nil && !excluded.contains(option.name) {
      guard let name = option.environment, let text = environment(name), !text.isEmpty else { continue }
      try set(option, to: text, shown: "\(name) (for --\(option.name))", in: &arguments)
    }
  }

  private func checkExclusions(_ arguments: Arguments) throws(UsageError) {
    for group in spec.exclusive {
      let given = group.filter { arguments.values[$0] != nil }
      if given.count > 1 { throw fail("--\(given[0]) and --\(given[1]) exclude each other") }
    }
  }

  private func places(_ words: [String]) throws(UsageError) -> [String: [String]] {
    var left = words[...]
    var places: [String: [String]] = [:]
    for positional in spec.positionals {
      let (isRequired, takesAll) =
        switch positional.count {
        case .one: (true, false)
        case .optional: (false, false)
        case .oneOrMore: (true, true)
        case .any: (false, true)
        }
      if isRequired, left.isEmpty { throw fail("\(positional.name) is missing: \(positional.help)") }
      places[positional.name] = takesAll ? Array(left) : Array(left.prefix(1))
      left = takesAll ? [] : left.dropFirst()
    }
    if let extra = left.first { throw fail("'\(extra)' is one argument too many") }
    return places
  }
}
