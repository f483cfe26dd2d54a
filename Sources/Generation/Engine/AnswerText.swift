/// Turns tokens into text that can be shown while it is made: whole characters only, and nothing that may yet turn out to be a stop string.
struct AnswerText {
  struct Piece {
    let text: String
    let tokens: [GeneratedToken]
    var isEmpty: Bool { text.isEmpty && tokens.isEmpty }
  }

  private let stops: [[UInt8]]
  /// Dropped where the text begins with it; empty when that is settled.
  private var leading: [UInt8]
  /// What has not been delivered, and the tokens it comes from, each with the place in `bytes` where its text ends.
  private var bytes: [UInt8] = []
  private var tokens: [(token: GeneratedToken, end: Int)] = []
  /// A stop string was found; what stood before it has been delivered.
  private(set) var isStopped = false

  init(stops: [String], leading: String) {
    self.stops = stops.map { Array($0.utf8) }
    self.leading = Array(leading.utf8)
  }

  /// - Parameter text: what the token adds to the text: its bytes, or nothing for a special token.
  mutating func append(_ token: GeneratedToken, text: [UInt8]) -> Piece {
    bytes += text
    tokens.append((token, bytes.count))
    guard settleLeading(isLast: false) else { return Piece(text: "", tokens: []) }
    if let start = firstStop() {
      isStopped = true
      // The token in which the stop string begins is delivered if some of its text is.
      var begin = 0
      let left = tokens.prefix { entry in
        defer { begin = entry.end }
        return begin < start
      }
      return Piece(text: String(decoding: bytes[..<start], as: UTF8.self), tokens: left.map(\.token))
    }
    return take(upTo: min(startOfPossibleStop(), startOfCutCharacter()))
  }

  /// What was held back, when nothing follows any more.
  mutating func finish() -> Piece {
    guard !isStopped else { return Piece(text: "", tokens: []) }
    _ = settleLeading(isLast: true)
    let piece = Piece(text: String(decoding: bytes, as: UTF8.self), tokens: tokens.map(\.token))
    (bytes, tokens) = ([], [])
    return piece
  }

  /// False while the text could still begin with what is to be left out.
  private mutating func settleLeading(isLast: Bool) -> Bool {
    guard !leading.isEmpty else { return true }
    if bytes.starts(with: leading) {
      bytes.removeFirst(leading.count)
      tokens = tokens.map { ($0.token, max(0, $0.end - leading.count)) }
    } else if !isLast, leading.starts(with: bytes) {
      return false
    }
    leading = []
    return true
  }

  private mutating func take(upTo end: Int) -> Piece {
    guard end > 0 else { return Piece(text: "", tokens: []) }
    let count = tokens.prefix { $0.end <= end }.count
    let piece = Piece(text: String(decoding: bytes[..<end], as: UTF8.self), tokens: tokens.prefix(count).map(\.token))
    bytes.removeFirst(end)
    tokens = tokens.dropFirst(count).map { ($0.token, $0.end - end) }
    return piece
  }

  /// Where the first stop string begins; of those that begin there, any.
  private func firstStop() -> Int? {
    stops.compactMap { stop in
      guard bytes.count >= stop.count else { return nil }
      return (0...bytes.count - stop.count).first { bytes[$0...].starts(with: stop) }
    }.min()
  }

  /// Where the longest end of the text begins that a stop string begins with.
  private func startOfPossibleStop() -> Int {
    var start = bytes.count
    for stop in stops {
      let earliest = max(0, bytes.count - stop.count + 1)
      if let place = (earliest..<max(earliest, start)).first(where: { stop.starts(with: bytes[$0...]) }) { start = place }
    }
    return start
  }

  /// Where a character begins whose last bytes are still to come; the end if there is none.
  private func startOfCutCharacter() -> Int {
    for place in bytes.indices.suffix(3).reversed() {
      let byte = bytes[place]
      if byte & 0xc0 == 0x80 { continue }
      let length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
      return byte < 0xf8 && place + length > bytes.count ? place : bytes.count
    }
    return bytes.count
  }
}
