import JSON

/// Turns pieces back into text, one step after the other.
enum Decoder: Sendable {
  case byteLevel
  case replace(SplitPattern, with: [UInt8])
  case byteFallback
  case fuse
  case strip([UInt8], start: Int, stop: Int)
  case metaspace([UInt8], dropsFirst: Bool)

  /// The steps of `decoder`, sequences laid flat; nil when it is null, which means pieces joined by spaces.
  static func steps(_ json: JSON?, at path: String = "decoder") throws(TokenizerError) -> [Decoder]? {
    guard let json, !json.isNull else { return nil }
    switch try kind(of: json, at: path) {
    case "Sequence":
      let fields = try SettingsFields(json, at: path, known: ["type", "decoders"])
      var steps: [Decoder] = []
      for (index, part) in try fields.array("decoders").enumerated() {
        steps += try Self.steps(part, at: "\(path).decoders[\(index)]") ?? []
      }
      return steps
    case "ByteLevel":
      _ = try SettingsFields(json, at: path, known: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
      return [.byteLevel]
    case "Replace":
      let fields = try SettingsFields(json, at: path, known: ["type", "pattern", "content"])
      let pattern = try SplitPattern(fields.value("pattern"), at: "\(path).pattern")
      return [.replace(pattern, with: Array(try fields.string("content").utf8))]
    case "ByteFallback":
      _ = try SettingsFields(json, at: path, known: ["type"])
      return [.byteFallback]
    case "Fuse":
      _ = try SettingsFields(json, at: path, known: ["type"])
      return [.fuse]
    case "Strip":
      let fields = try SettingsFields(json, at: path, known: ["type", "content", "start", "stop"])
      let content = try fields.string("content")
      guard content.unicodeScalars.count == 1 else { throw .invalid("\(path).content '\(content)' is not one character") }
      return [.strip(Array(content.utf8), start: Int(try fields.natural("start")), stop: Int(try fields.natural("stop")))]
    case "Metaspace":
      let metaspace = try MetaspaceSettings(json, path)
      return [.metaspace(metaspace.replacement, dropsFirst: metaspace.scheme != .never)]
    case let other: throw .unsupported("\(path) '\(other)'")
    }
  }

  func apply(to pieces: [[UInt8]], using state: MatchState) -> [[UInt8]] {
    switch self {
    case .byteLevel:
      var out: [UInt8] = []
      for piece in pieces { out += Self.byteLevelBytes(piece) }
      return [Self.repaired(out)]
    case .replace(let pattern, let content):
      return pieces.map { piece in piece.withUnsafeBufferPointer { replaced($0, pattern, content, state) } }
    case .byteFallback: return Self.joinedFallback(pieces)
    case .fuse: return [Array(pieces.joined())]
    case .strip(let content, let start, let stop): return pieces.map { Self.stripped($0, content, start: start, stop: stop) }
    case .metaspace(let replacement, let dropsFirst):
      return pieces.enumerated().map { index, piece in
        let content: [UInt8] = index == 0 && dropsFirst ? [] : [0x20]
        return piece.withUnsafeBufferPointer { replaced($0, .literal(replacement), content, state) }
      }
    }
  }

  /// The bytes a piece stands for; a piece with other characters (an added token) stands for itself.
  static func byteLevelBytes(_ piece: [UInt8]) -> [UInt8] {
    piece.withUnsafeBufferPointer { ByteLevelAlphabet.decoded($0) } ?? piece
  }

  /// Bytes as UTF-8, what is not well-formed replaced by U+FFFD.
  static func repaired(_ bytes: [UInt8]) -> [UInt8] {
    bytes.withUnsafeBufferPointer { firstInvalidUTF8(in: $0) } == nil ? bytes : Array(String(decoding: bytes, as: UTF8.self).utf8)
  }

  /// The byte that "<0x0A>" stands for.
  static func fallbackByte(_ piece: [UInt8]) -> UInt8? {
    guard piece.count == 6, piece.starts(with: Array("<0x".utf8)), piece[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: piece[3..<5], as: UTF8.self), radix: 16)
  }

  /// Runs of byte pieces become text if they are UTF-8 as a whole, else one U+FFFD per byte.
  private static func joinedFallback(_ pieces: [[UInt8]]) -> [[UInt8]] {
    var out: [[UInt8]] = []
    var run: [UInt8] = []
    func flush() {
      guard !run.isEmpty else { return }
      if run.withUnsafeBufferPointer({ firstInvalidUTF8(in: $0) }) == nil {
        out.append(run)
      } else {
        out += Array(repeating: Array("\u{fffd}".utf8), count: run.count)
      }
      run.removeAll()
    }
    for piece in pieces {
      if let byte = fallbackByte(piece) {
        run.append(byte)
      } else {
        flush()
        out.append(piece)
      }
    }
    flush()
    return out
  }

  private static func stripped(_ piece: [UInt8], _ content: [UInt8], start: Int, stop: Int) -> [UInt8] {
    var rest = piece[...]
    var left = start
    while left > 0, rest.starts(with: content) {
      rest = rest.dropFirst(content.count)
      left -= 1
    }
    left = stop
    while left > 0, rest.count >= content.count, rest.suffix(content.count).elementsEqual(content) {
      rest = rest.dropLast(content.count)
      left -= 1
    }
    return Array(rest)
  }
}
