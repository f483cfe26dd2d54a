import Glibc
import Transformer

/// What a perplexity depends on beside the model and the text.
public struct PerplexitySetting: Sendable, Equatable {
  public var method: PerplexityProtocol
  /// Ids of a window; where BOS overwrites or begins the stream it counts, where it stands in front of each window it does not.
  public var window: Int
  /// nil leaves it out.
  public var bos: Int32?

  public init(_ method: PerplexityProtocol, window: Int, bos: Int32?) {
    precondition(window > (method == .llamaCpp ? 3 : 1), "perplexity: windows of \(window) tokens")
    (self.method, self.window, self.bos) = (method, window, bos)
  }
}

/// Perplexity per token over windows of one text; no context is carried from one window to the next.
public struct Perplexity: Sendable, Equatable {
  public let setting: PerplexitySetting
  /// Tokens of the text, BOS not counted.
  public let textTokens: Int
  /// Windows of the whole text, and those that were measured.
  public let allWindows: Int
  public let windows: Int
  public let scoredTokens: Int
  /// Sum of -ln p, nats.
  public let loss: Double
  /// Of `meanLoss`. Windows and gptq: windows are clusters, because tokens of one window are not independent draws (linearised ratio
  /// estimator; where windows are equally long, their sample standard deviation over √n). llama.cpp: scored tokens are taken as
  /// independent, as that program does, √((mean of squares - square of mean) / (n - 1)), which is usually less. nil for a single window or token.
  public let standardError: Double?

  public var meanLoss: Double { loss / Double(scoredTokens) }
  public var perplexity: Double { exp(meanLoss) }
  /// Of `perplexity`, to first order: perplexity · standardError.
  public var perplexityError: Double? { standardError.map { $0 * perplexity } }

  /// - Parameters:
  ///   - text: the text's ids, without BOS.
  ///   - limit: only this many windows from the beginning.
  ///   - monitor: called after each batch; throwing ends the measurement.
  /// - Throws: `EvaluationError`, `BackendError`, or what the monitor throws.
  public init(
    _ model: Llama, text: [Int32], _ setting: PerplexitySetting, limit: Int? = nil, rowsPerBatch: Int? = nil,
    monitor: (ScoringProgress) throws -> Void = { _ in }
  ) throws {
    precondition(setting.method != .word, "perplexity: documents are measured by WordPerplexity")
    let stream = setting.method.stream(text, bos: setting.bos)
    let all = setting.method.windows(of: stream.indices, window: setting.window, lead: setting.bos)
    guard all.count >= setting.method.fewestWindows else {
      throw EvaluationError.tooShort(
        tokens: stream.count, needed: Perplexity.fewestTokens(setting), protocol: setting.method, window: setting.window)
    }
    let measured = Array(all.prefix(limit ?? all.count))
    var scorer = WindowScorer(model, rowsPerBatch: rowsPerBatch)
    let losses = try scorer.losses(of: measured, in: stream, monitor: monitor)

    self.setting = setting
    textTokens = text.count
    allWindows = all.count
    windows = measured.count
    scoredTokens = losses.reduce(0) { $0 + $1.tokens }
    loss = losses.reduce(0) { $0 + $1.sum }
    standardError =
      setting.method == .llamaCpp
      ? Perplexity.errorOfIndependentTokens(losses)
      : RatioEstimate(sums: losses.map(\.sum), counts: losses.map { Double($0.tokens) }).standardError
  }

  /// Tokens, BOS counted, without which a text cannot be measured.
  private static func fewestTokens(_ setting: PerplexitySetting) -> Int {
    switch setting.method {
    case .windows: setting.bos == nil ? 2 : 1
    case .gptq, .llamaCpp: setting.method.fewestWindows * setting.window
    case .word: 1
    }
  }

  private static func errorOfIndependentTokens(_ losses: [WindowLoss]) -> Double? {
    let count = Double(losses.reduce(0) { $0 + $1.tokens })
    guard count > 1 else { return nil }
    let mean = losses.reduce(0) { $0 + $1.sum } / count
    let variance = losses.reduce(0) { $0 + $1.squares } / count - mean * mean
    return (max(0, variance) / (count - 1)).squareRoot()
  }
}
