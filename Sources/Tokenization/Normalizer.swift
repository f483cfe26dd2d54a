import JSON

/// Rewrites text before it is split.
enum Normalizer: Sendable {
  case prepend([UInt8])
  case replace(SplitPattern, with: [UInt8])

  /// Whether it belongs to the beginning of a text only.
  var isPrepending: Bool { if case .prepend = self { true } else { false } }

  /// The steps of `normalizer`, sequences laid flat; none when it is null.
  static func steps(_ json: JSON?, at path: String = "normalizer", depth: Int = 0) throws(TokenizerError) -> [Normalizer] {
    guard let json, !json.isNull else { return [] }
    switch try kind(of: json, at: path) {
    case "Sequence":
      let fields = try SettingsFields(json, at: path, known: ["type", "normalizers"])
      var steps: [Normalizer] = []
      for (index, part) in try fields.array("normalizers").enumerated() {
        steps += try Self.steps(part, at: "\(path).normalizers[\(index)]", depth: depth + 1)
      }
      return steps
    case "Prepend":
      let fields = try SettingsFields(json, at: path, known: ["type", "prepend"])
      return [.prepend(Array(try fields.string("prepend").utf8))]
    case "Replace":
      let fields = try SettingsFields(json, at: path, known: ["type", "pattern", "content"])
      let pattern = try SplitPattern(fields.value("pattern"), at: "\(path).pattern")
      return [.replace(pattern, with: Array(try fields.string("content").utf8))]
    case let other: throw .unsupported("\(path) '\(other)'")
    }
  }

  func apply(to text: [UInt8], using state: MatchState) -> [UInt8] {
    switch self {
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .replace(let pattern, let content):
      return text.withUnsafeBufferPointer { replaced($0, pattern, content, state) }
    }
  }
}

/// `text` with each match of `pattern` replaced.
func replaced(_ text: Bytes, _ pattern: SplitPattern, _ content: [UInt8], _ state: MatchState) -> [UInt8] {
  var out: [UInt8] = []
  out.reserveCapacity(text.count + text.count / 2)
  var done = 0
  pattern.forEachMatch(in: text, using: state) { match in
    out.append(contentsOf: Bytes(rebasing: text[done..<match.lowerBound]))
    out.append(contentsOf: content)
    done = match.upperBound
  }
  out.append(contentsOf: Bytes(rebasing: text[done...]))
  return out
}
