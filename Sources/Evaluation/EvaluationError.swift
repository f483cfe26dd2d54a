/// A measurement that cannot be made.
public enum EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The text has fewer tokens, BOS counted, than the protocol needs.
  case tooShort(tokens: Int, needed: Int, protocol: PerplexityProtocol, window: Int)
  case doesNotFit(rows: Int, requested: Int, free: Int)

  public var description: String {
    switch self {
    case .tooShort(let tokens, let needed, let name, let window):
      "too short: \(tokens) token\(tokens == 1 ? "" : "s"), and the protocol \(name.rawValue) needs \(needed)"
        + (name == .gptq || name == .llamaCpp ? " with windows of \(window); lower --window or take a longer text" : "")
    case .doesNotFit(let rows, let requested, let free):
      "out of memory: one window of \(rows) tokens needs \(max(1, requested >> 20)) MiB more, \(free >> 20) MiB are free; "
        + "a lower --window takes less, a smaller model type (--q8, --q4k) leaves more room"
    }
  }
}
