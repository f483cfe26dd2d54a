import JSON

/// A token outside the model, found in the text before anything else happens to it.
struct AddedToken: Sendable {
  let id: Int32
  let content: String
  /// Left out of the decoded text on request.
  let isSpecial: Bool
  /// Swallows white space on that side.
  let stripsLeft: Bool
  let stripsRight: Bool
  /// Only where no word character touches it.
  let isSingleWord: Bool
  /// Looked for in the normalized text, as its own normalized form.
  let isNormalized: Bool

  init(_ json: JSON, at path: String) throws(TokenizerError) {
    let fields = try SettingsFields(
      json, at: path, known: ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
    id = try fields.natural("id")
    content = try fields.string("content")
    isSpecial = try fields.bool("special", default: false)
    stripsLeft = try fields.bool("lstrip", default: false)
    stripsRight = try fields.bool("rstrip", default: false)
    isSingleWord = try fields.bool("single_word", default: false)
    isNormalized = try fields.bool("normalized", default: !isSpecial)
  }
}

/// Finds added tokens in text: the leftmost match, the longest of those, as the tokenizers library does with Aho-Corasick.
struct AddedTokenFinder: Sendable {
  private struct Node {
    var byte: UInt8
    var token: Int32 = -1
    var firstChild: Int32 = -1
    var sibling: Int32 = -1
  }
  private var nodes = [Node(byte: 0)]
  /// Child of the root for a first byte, -1: no token starts so.
  private var roots = [Int32](repeating: -1, count: 256)
  private var tokens: [AddedToken] = []

  var isEmpty: Bool { tokens.isEmpty }

  /// `text` is what stands for the token in the text searched. A later token with the same text wins.
  mutating func add(_ token: AddedToken, as text: [UInt8]) {
    var node = 0
    for byte in text {
      if let child = child(of: node, byte) {
        node = child
      } else {
        nodes.append(Node(byte: byte, sibling: nodes[node].firstChild))
        nodes[node].firstChild = Int32(nodes.count - 1)
        if node == 0 { roots[Int(byte)] = Int32(nodes.count - 1) }
        node = nodes.count - 1
      }
    }
    guard node != 0 else { return }
    nodes[node].token = Int32(tokens.count)
    tokens.append(token)
  }

  private func child(of node: Int, _ byte: UInt8) -> Int? {
    if node == 0 { return roots[Int(byte)] < 0 ? nil : Int(roots[Int(byte)]) }
    var child = nodes[node].firstChild
    while child >= 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].sibling }
    return child < 0 ? nil : Int(child)
  }

  /// The longest token that starts at `start`.
  private func longest(in text: Bytes, at start: Int) -> (token: AddedToken, end: Int)? {
    var node = 0
    var at = start
    var best: (Int32, Int)?
    while at < text.count, let child = child(of: node, text[at]) {
      node = child
      at += 1
      if nodes[node].token >= 0 { best = (nodes[node].token, at) }
    }
    return best.map { (tokens[Int($0.0)], $0.1) }
  }

  enum Section { case text(Range<Int>), token(Int32) }

  /// Cuts `text` into tokens and what lies between, and calls `body` with each in turn.
  func forEachSection(of text: Bytes, _ body: (Section) -> Void) {
    var done = 0
    var at = 0
    while at < text.count {
      guard roots[Int(text[at])] >= 0, let (token, end) = longest(in: text, at: at) else {
        at += 1
        continue
      }
      var (start, stop) = (at, end)
      at = end
      if token.isSingleWord, isWordBefore(text, start) || isWordAt(text, stop) { continue }
      if token.stripsLeft {
        while start > done {
          let (scalar, previous) = scalar(in: text, before: start)
          guard scalar.properties.isWhitespace else { break }
          start = max(previous, done)
        }
      }
      if token.stripsRight {
        while stop < text.count {
          let (scalar, next) = scalar(in: text, at: stop)
          guard scalar.properties.isWhitespace else { break }
          stop = next
        }
      }
      if done < start { body(.text(done..<start)) }
      body(.token(token.id))
      done = stop
    }
    if done < text.count { body(.text(done..<text.count)) }
  }

  private func isWordBefore(_ text: Bytes, _ at: Int) -> Bool { at > 0 && scalar(in: text, before: at).scalar.isWordCharacter }
  private func isWordAt(_ text: Bytes, _ at: Int) -> Bool { at < text.count && scalar(in: text, at: at).scalar.isWordCharacter }
}
