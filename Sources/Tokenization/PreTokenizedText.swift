/// Text on its way through the pre-tokenizers: bytes and the spans that are left of them.
struct PreTokenizedText {
  private(set) var bytes: [UInt8]
  private(set) var spans: [Range<Int>]
  /// The bytes are the beginning of the whole text, not a part behind an added token.
  private let isBeginning: Bool
  /// The bytes go on where other text stopped.
  private let continuesText: Bool

  private enum Place { case beginning, continuation, elsewhere }

  init(_ bytes: [UInt8], isBeginning: Bool, continuesText: Bool = false) {
    self.bytes = bytes
    self.isBeginning = isBeginning
    self.continuesText = continuesText
    spans = bytes.isEmpty ? [] : [0..<bytes.count]
  }

  mutating func apply(_ step: PreTokenizer, using state: MatchState) {
    switch step {
    case .split(let pattern, let behavior, let invert): split(pattern, behavior, invert: invert, state)
    case .byteLevel(let addsPrefixSpace, let pattern):
      if addsPrefixSpace {
        rewrite { text, place, out in
          if place != .continuation, text.first != 0x20 { out.append(0x20) }
          out.append(contentsOf: text)
        }
      }
      if let pattern { split(pattern, .isolated, invert: false, state) }
    case .digits(let individual): splitDigits(individual: individual)
    case .metaspace(let replacement, let scheme, let splits):
      rewrite { text, place, out in
        let startsWithSpace = text.first == 0x20 || text.starts(with: replacement)
        let isPrepended = scheme == .always && place != .continuation || scheme == .first && place == .beginning
        if !startsWithSpace, isPrepended { out.append(contentsOf: replacement) }
        for byte in text {
          if byte == 0x20 { out.append(contentsOf: replacement) } else { out.append(byte) }
        }
      }
      if splits { split(.literal(replacement), .mergedWithNext, invert: false, state) }
    }
  }

  /// Replaces the text of each span; `change` is told what stands before the span.
  private mutating func rewrite(_ change: (Bytes, Place, inout [UInt8]) -> Void) {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count + bytes.count / 2)
    var changed: [Range<Int>] = []
    bytes.withUnsafeBufferPointer { bytes in
      for span in spans {
        let start = out.count
        let place: Place = span.lowerBound > 0 ? .elsewhere : isBeginning ? .beginning : continuesText ? .continuation : .elsewhere
        change(Bytes(rebasing: bytes[span]), place, &out)
        if start < out.count { changed.append(start..<out.count) }
      }
    }
    bytes = out
    spans = changed
  }

  private mutating func split(_ pattern: SplitPattern, _ behavior: PreTokenizer.Behavior, invert: Bool, _ state: MatchState) {
    var out: [Range<Int>] = []
    out.reserveCapacity(max(spans.count, bytes.count / 4))
    bytes.withUnsafeBufferPointer { bytes in
      for span in spans {
        let text = Bytes(rebasing: bytes[span])
        if behavior == .isolated {
          // The usual case, without the list of parts.
          var done = span.lowerBound
          pattern.forEachMatch(in: text, using: state) { match in
            let (start, end) = (span.lowerBound + match.lowerBound, span.lowerBound + match.upperBound)
            if done < start { out.append(done..<start) }
            if start < end { out.append(start..<end) }
            done = end
          }
          if done < span.upperBound { out.append(done..<span.upperBound) }
          continue
        }
        var parts: [(range: Range<Int>, isMatch: Bool)] = []
        var done = 0
        pattern.forEachMatch(in: text, using: state) { match in
          if done < match.lowerBound { parts.append((done..<match.lowerBound, invert)) }
          parts.append((match, !invert))
          done = match.upperBound
        }
        if done < text.count { parts.append((done..<text.count, invert)) }
        for part in Self.joined(parts, behavior) where !part.isEmpty {
          out.append(span.lowerBound + part.lowerBound..<span.lowerBound + part.upperBound)
        }
      }
    }
    spans = out
  }

  /// Joins neighbouring parts as the tokenizers library's SplitDelimiterBehavior says.
  static func joined(_ parts: [(range: Range<Int>, isMatch: Bool)], _ behavior: PreTokenizer.Behavior) -> [Range<Int>] {
    var out: [Range<Int>] = []
    var wasMatch = false
    switch behavior {
    case .isolated: return parts.map(\.range)
    case .removed: return parts.filter { !$0.isMatch }.map(\.range)
    case .contiguous:
      for part in parts {
        if part.isMatch == wasMatch, let last = out.popLast() {
          out.append(last.lowerBound..<part.range.upperBound)
        } else {
          out.append(part.range)
        }
        wasMatch = part.isMatch
      }
    case .mergedWithPrevious:
      for part in parts {
        if part.isMatch, !wasMatch, let last = out.popLast() {
          out.append(last.lowerBound..<part.range.upperBound)
        } else {
          out.append(part.range)
        }
        wasMatch = part.isMatch
      }
    case .mergedWithNext:
      for part in parts.reversed() {
        if part.isMatch, !wasMatch, let last = out.popLast() {
          out.append(part.range.lowerBound..<last.upperBound)
        } else {
          out.append(part.range)
        }
        wasMatch = part.isMatch
      }
      out.reverse()
    }
    return out
  }

  private mutating func splitDigits(individual: Bool) {
    var out: [Range<Int>] = []
    bytes.withUnsafeBufferPointer { bytes in
      for span in spans {
        var start = span.lowerBound
        var wasNumeric = false
        var at = span.lowerBound
        while at < span.upperBound {
          let (scalar, next) = scalar(in: bytes, at: at)
          let isNumeric = scalar.isNumeric
          if at > start, isNumeric != wasNumeric || isNumeric && individual {
            out.append(start..<at)
            start = at
          }
          wasNumeric = isNumeric
          at = next
        }
        if start < at { out.append(start..<at) }
      }
    }
    spans = out
  }
}
