import Generation
import Terminal
import Transformer

/// How commands that have a model write are told to.
extension CommandOption {
  /// How tokens are chosen. The defaults differ: who talks wants variety, who measures wants the same again.
  static func sampling(temperature: Double, minP: Double = 0) -> [CommandOption] {
    [
      CommandOption(
        "temperature", .double(0...1000), placeholder: "T",
        help: "what logits are divided by; 0 always takes the likeliest token (default: \(temperature == 0 ? "0" : "\(temperature)"))"),
      CommandOption("top-k", .int(0...10_000_000), placeholder: "K", help: "draw among the K likeliest tokens; 0 for all (default: 0)"),
      CommandOption(
        "top-p", .double(0...1), placeholder: "P",
        help: "draw among the likeliest tokens that have this much probability together (default: 1)"),
      CommandOption(
        "min-p", .double(0...1), placeholder: "P",
        help: "draw among tokens at least this probable compared with the likeliest (default: \(minP == 0 ? "0" : "\(minP)"))"),
      CommandOption(
        "repetition-penalty", .double(0.01...1000), placeholder: "R",
        help: "make tokens that the text has already less likely; as in transformers, over prompt and answer (default: 1, none)"),
      .seed,
    ]
  }

  static func maxNewTokens(_ usual: String) -> CommandOption {
    CommandOption("max-new-tokens", short: "n", .int(1...1_000_000_000), help: "most tokens of an answer (default: \(usual))")
  }
  static let stop = CommandOption("stop", .strings, help: "end the answer before this text; may be given several times")
  static let chatTemplate = CommandOption(
    "chat-template", .choice(ChatFormat.Name.allCases.map(\.rawValue)), help: "how conversations are written (default: the model's own)")
  static func context(_ usual: String) -> CommandOption {
    CommandOption("context", short: "c", .int(2...1_000_000_000), help: "most tokens of prompt and answer together (default: \(usual))")
  }
}

extension Sampler.Options {
  /// What the `sampling` options say.
  init(_ arguments: Arguments, temperature: Double, minP: Double = 0) throws(UsageError) {
    let topP = arguments.double("top-p") ?? 1
    guard topP > 0 else { throw UsageError(command: arguments.command, "--top-p: with 0 there is nothing to draw from; 1 takes all") }
    self.init(
      temperature: arguments.double("temperature") ?? temperature, topK: arguments.int("top-k").flatMap { $0 == 0 ? nil : $0 }, topP: topP,
      minP: arguments.double("min-p") ?? minP, repetitionPenalty: arguments.double("repetition-penalty") ?? 1,
      seed: UInt64(arguments.int("seed") ?? 0))
  }
}
