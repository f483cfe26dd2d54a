/// A command's arguments after parsing; every value was checked against its option's kind.
public struct Arguments: Sendable {
  enum Value: Sendable, Equatable {
    case flag
    case string(String)
    case strings([String])
    case int(Int)
    case double(Double)
    case indices([Int])
  }

  let spec: CommandSpec
  var values: [String: Value] = [:]
  var places: [String: [String]] = [:]
  public internal(set) var wantsHelp = false

  init(spec: CommandSpec) { self.spec = spec }

  /// The command they belong to.
  public var command: String { spec.name }

  /// Whether the command has such an option at all.
  public func offers(_ name: String) -> Bool { spec.options.contains { $0.name == name } }

  /// Whether the option was given, or set by its environment variable.
  public func has(_ name: String) -> Bool { value(name) != nil }
  /// The value of a string or choice option.
  public func string(_ name: String) -> String? {
    guard case .string(let text)? = value(name) else { return nil }
    return text
  }
  /// The values of an option that may be given several times, in order.
  public func strings(_ name: String) -> [String] {
    guard case .strings(let list)? = value(name) else { return [] }
    return list
  }
  /// The value of an int or size option.
  public func int(_ name: String) -> Int? {
    guard case .int(let number)? = value(name) else { return nil }
    return number
  }
  public func double(_ name: String) -> Double? {
    guard case .double(let number)? = value(name) else { return nil }
    return number
  }
  /// Sorted, each index once.
  public func indices(_ name: String) -> [Int]? {
    guard case .indices(let list)? = value(name) else { return nil }
    return list
  }
  /// The words given for the positional argument `name`.
  public func all(_ name: String) -> [String] {
    precondition(spec.positionals.contains { $0.name == name }, "command '\(spec.name)' has no argument \(name)")
    return places[name] ?? []
  }
  public func first(_ name: String) -> String? { all(name).first }

  private func value(_ name: String) -> Value? {
    precondition(spec.options.contains { $0.name == name }, "command '\(spec.name)' has no option --\(name)")
    return values[name]
  }
}
