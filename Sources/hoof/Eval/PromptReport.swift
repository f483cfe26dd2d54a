import JSON
import Terminal
import Transformer

/// What a run over a file of prompts found, for people and for programs.
struct PromptReport {
  let model: String
  let prompts: String
  let sha256: String
  let backend: String
  let sampling: Sampler.Options
  let seconds: Double
  let results: [PromptResult]
  /// Prompts in the file.
  let of: Int

  private var passed: Int { results.count(where: \.hasPassed) }
  private var tokens: Int { results.reduce(0) { $0 + $1.tokens } }

  private var share: String {
    let limited = results.count < of ? ", the first \(results.count) of \(of)" : ""
    return "\(passed)/\(results.count) prompts pass\(limited)"
  }

  var text: String {
    let width = min(32, results.map(\.item.name.count).max() ?? 0)
    var out = "\("prompt".padded(to: max(6, width)))  result  tokens  words  why\n"
    for result in results {
      let name = String(result.item.name.onOneLine.prefix(32)).padded(to: max(6, width))
      let counts = "\(result.tokens)".padded(to: 6, left: true) + "\(result.words)".padded(to: 7, left: true)
      let line = "\(name)  \(result.hasPassed ? "pass  " : "FAIL  ")  \(counts)  \(result.why.onOneLine)"
      out += line.trimmedAtEnd + "\n"
    }
    let rate = seconds > 0 ? Double(tokens) / seconds : 0
    let manner = sampling.temperature == 0 ? "greedy" : "temperature \(sampling.temperature), seed \(sampling.seed)"
    return out + "\(model) on \(prompts): \(share); \(manner), \(tokens) tokens in \(TimeSpan(seconds)), \(rate.fixed(1)) tokens/s\n"
  }

  var json: JSON {
    [
      "format": "hoof-eval", "version": 1, "model": ["path": .string(model)], "backend": .string(backend), "seconds": .double(seconds),
      "prompts": [
        "path": .string(prompts), "sha256": .string(sha256), "prompts": .int(results.count), "prompts_of_file": .int(of),
        "passed": .int(passed), "tokens": .int(tokens), "sampling": sampling.json, "results": .array(results.map(\.json)),
      ],
    ]
  }
}

extension String {
  fileprivate var trimmedAtEnd: String {
    guard let last = lastIndex(where: { $0 != " " }) else { return "" }
    return String(self[...last])
  }
}
