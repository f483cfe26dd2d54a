import Evaluation
import JSON
import Terminal

/// What a measurement found, for people and for programs; both name protocol, window, begin token and how much was scored.
enum PerplexityResult {
  case text(Perplexity)
  /// `of`: documents in the file.
  case documents(WordPerplexity, of: Int)

  /// Σ -ln p, nats
  var loss: Double {
    switch self {
    case .text(let result): result.loss
    case .documents(let result, _): result.loss
    }
  }

  func text(model: String, text: String, seconds: Double) -> String {
    let time = " in \(TimeSpan(seconds))\n"
    switch self {
    case .text(let result):
      let setting = result.setting
      let measured = result.windows < result.allWindows ? "the first \(result.windows) of \(result.allWindows)" : "\(result.windows)"
      var out = "\(model) on \(text): perplexity \(PerplexityResult.number(result.perplexity, result.perplexityError))\n"
      // The line that programs look for in what llama-perplexity prints.
      if setting.method == .llamaCpp, let error = result.perplexityError {
        out += "Final estimate: PPL = \(result.perplexity.fixed(4)) +/- \(error.fixed(5))\n"
      }
      out += "protocol \(setting.method.rawValue), window \(setting.window), \(PerplexityResult.begin(setting)); \(measured) "
      out += "window\(result.allWindows == 1 ? "" : "s"), \(result.scoredTokens) of \(result.textTokens) tokens scored"
      return out + time
    case .documents(let result, let all):
      let setting = result.setting
      let measured = result.documents < all ? "the first \(result.documents) of \(all)" : "\(result.documents)"
      return """
        \(model) on \(text): word perplexity \(PerplexityResult.number(result.wordPerplexity, result.wordPerplexityError)), \
        byte perplexity \(result.bytePerplexity.fixed(4)), \(result.bitsPerByte.fixed(4)) bits per byte
        protocol word, window \(setting.window), \(PerplexityResult.begin(setting)); \(measured) document\(all == 1 ? "" : "s"), \
        \(result.words) words, \(result.bytes) bytes, \(result.scoredTokens) tokens scored
        """ + time
    }
  }

  private static func number(_ value: Double, _ error: Double?) -> String {
    value.fixed(4) + (error.map { " ± \($0.fixed(5))" } ?? "")
  }

  private static func begin(_ setting: PerplexitySetting) -> String {
    guard setting.bos != nil else { return "no BOS" }
    switch setting.method {
    case .windows: return "BOS in front of each"
    case .gptq: return "one BOS in front of the text"
    case .llamaCpp: return "BOS over each one's first token"
    case .word: return "BOS in front of each document"
    }
  }

  func json(of text: EvaluationText) -> JSON.Object {
    switch self {
    case .text(let result):
      var object = PerplexityResult.head(text, result.setting)
      object["windows"] = .int(result.windows)
      object["windows_of_text"] = .int(result.allWindows)
      object["text_tokens"] = .int(result.textTokens)
      object["scored_tokens"] = .int(result.scoredTokens)
      object["nll_sum"] = .double(result.loss)
      object["mean_nll"] = .double(result.meanLoss)
      if let error = result.standardError { object["mean_nll_stderr"] = .double(error) }
      object["perplexity"] = .double(result.perplexity)
      if let error = result.perplexityError { object["perplexity_stderr"] = .double(error) }
      return object
    case .documents(let result, let all):
      var object = PerplexityResult.head(text, result.setting)
      object["documents"] = .int(result.documents)
      object["documents_of_text"] = .int(all)
      object["windows"] = .int(result.windows)
      object["words"] = .int(result.words)
      object["bytes"] = .int(result.bytes)
      object["scored_tokens"] = .int(result.scoredTokens)
      object["nll_sum"] = .double(result.loss)
      object["word_perplexity"] = .double(result.wordPerplexity)
      if let error = result.wordPerplexityError { object["word_perplexity_stderr"] = .double(error) }
      object["byte_perplexity"] = .double(result.bytePerplexity)
      object["bits_per_byte"] = .double(result.bitsPerByte)
      return object
    }
  }

  private static func head(_ text: EvaluationText, _ setting: PerplexitySetting) -> JSON.Object {
    [
      "protocol": .string(setting.method.rawValue), "window": .int(setting.window), "bos": .bool(setting.bos != nil),
      "path": .string(text.path), "sha256": .string(text.sha256),
    ]
  }
}
