/// An option of a command, declared once: the parser, the help text and the error messages all read it from here.
public struct CommandOption: Sendable {
  public enum Kind: Sendable {
    case flag
    case string
    /// A text each time the option is given.
    case strings
    case int(ClosedRange<Int>)
    case double(ClosedRange<Double>)
    /// Bytes, with an optional suffix K, M, G or T (powers of 1024).
    case size
    /// 0-based indices, inclusive ranges: "3,5,10-12".
    case indices
    case choice([String])
  }

  public let name: String
  public let short: Character?
  /// What stands for the value in help texts: "FILE", "N".
  public let placeholder: String
  public let help: String
  public let kind: Kind
  /// Read when the option is not given.
  public let environment: String?

  public init(
    _ name: String, short: Character? = nil, _ kind: Kind = .flag, placeholder: String? = nil, environment: String? = nil, help: String
  ) {
    self.name = name
    self.short = short
    self.kind = kind
    self.placeholder = placeholder ?? kind.placeholder
    self.environment = environment
    self.help = help
  }

  var isFlag: Bool { if case .flag = kind { true } else { false } }
}

extension CommandOption.Kind {
  var placeholder: String {
    switch self {
    case .flag: ""
    case .string, .strings: "TEXT"
    case .int: "N"
    case .double: "X"
    case .size: "SIZE"
    case .indices: "LIST"
    case .choice(let names): names.joined(separator: "|")
    }
  }
}

/// An argument known by its place.
public struct Positional: Sendable {
  public enum Count: Sendable { case one, optional, oneOrMore, any }
  public let name: String
  public let count: Count
  public let help: String
  public init(_ name: String, _ count: Count = .one, help: String) {
    self.name = name
    self.count = count
    self.help = help
  }
}

/// What a command accepts and how it introduces itself.
public struct CommandSpec: Sendable {
  public struct Example: Sendable {
    public let line: String
    public let note: String
    public init(_ line: String, _ note: String) {
      self.line = line
      self.note = note
    }
  }

  public let name: String
  public let summary: String
  public let details: String
  public let positionals: [Positional]
  public let options: [CommandOption]
  /// Options of which at most one may be given.
  public let exclusive: [[String]]
  public let examples: [Example]

  public init(
    _ name: String, summary: String, details: String = "", positionals: [Positional] = [], options: [CommandOption],
    exclusive: [[String]] = [], examples: [Example]
  ) {
    precondition(!examples.isEmpty, "command '\(name)' needs an example")
    precondition(Set(options.map(\.name)).count == options.count, "command '\(name)' declares an option twice")
    self.name = name
    self.summary = summary
    self.details = details
    self.positionals = positionals
    self.options = options
    self.exclusive = exclusive
    self.examples = examples
  }
}

/// Options that mean the same in every command that takes them.
extension CommandOption {
  public static let threads = CommandOption(
    "threads", .int(1...1024), environment: "HOOF_THREADS", help: "worker threads on the CPU (default: all processors)")
  public static let seed = CommandOption("seed", .int(0...Int.max), help: "seed of everything random (default: 0)")
  public static let json = CommandOption("json", help: "print the result as JSON on standard output")
  public static let quiet = CommandOption("quiet", short: "q", help: "no progress and no notes on standard error")
  public static let verbose = CommandOption("verbose", short: "v", help: "more notes on standard error")
  public static let force = CommandOption("force", help: "replace an existing output file")
  public static func output(_ help: String) -> CommandOption {
    CommandOption("output", short: "o", .string, placeholder: "OUT", help: help)
  }
  /// `names`: the backends this program was built with.
  public static func backend(_ names: [String]) -> CommandOption {
    CommandOption(
      "backend", .choice(["auto"] + names), environment: "HOOF_BACKEND",
      help: "where to compute (default: auto, the first that opens and has room for the model)")
  }
  /// The same for commands that compute on several.
  public static let backends = CommandOption(
    "backend", .string, placeholder: "LIST", environment: "HOOF_BACKEND", help: "as in cpu,cuda (default: all that open)")
  public static let device = CommandOption(
    "device", .int(0...1023), help: "which GPU, as 'hoof backends' numbers them (default: 0)")
  public static func precision(_ names: [String], onCPU: String = "f32") -> CommandOption {
    CommandOption(
      "precision", .choice(names), help: "of weights, activations and matrix products (default: bf16 on a GPU, \(onCPU) on the CPU)")
  }
  public static func vendorBLAS(_ names: [String]) -> CommandOption {
    CommandOption(
      "cublas", .choice(names), help: "matrix products of NVIDIA's library on a GPU (default: auto, where it is there and faster)")
  }
  public static let profile = CommandOption("profile", help: "show on standard error where the time goes, op by op; slows the work down")
}
