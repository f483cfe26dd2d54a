import Testing

@testable import Generation

/// Text that is delivered while it is made.
struct AnswerTextTests {
  /// The pieces that come of tokens with these bytes, the last one being what was held back to the end.
  private func pieces(_ tokens: [[UInt8]], stops: [String] = [], leading: String = "") -> (
    pieces: [String], ids: [[Int32]], isStopped: Bool
  ) {
    var text = AnswerText(stops: stops, leading: leading)
    var (pieces, ids): ([String], [[Int32]]) = ([], [])
    for (id, bytes) in tokens.enumerated() where !text.isStopped {
      let piece = text.append(.init(id: Int32(id), bytes: bytes), text: bytes)
      pieces.append(piece.text)
      ids.append(piece.tokens.map(\.id))
    }
    let last = text.finish()
    return (pieces + [last.text], ids + [last.tokens.map(\.id)], text.isStopped)
  }

  private func pieces(_ tokens: [String], stops: [String] = [], leading: String = "") -> (pieces: [String], ids: [[Int32]], isStopped: Bool)
  {
    pieces(tokens.map { Array($0.utf8) }, stops: stops, leading: leading)
  }

  @Test("a character's bytes are delivered together, however tokens cut them")
  func characters() {
    // 2, 3 and 4 bytes, byte by byte.
    for character in ["é", "語", "🐈"] {
      let bytes = Array(character.utf8)
      let found = pieces([[0x61]] + bytes.map { [$0] } + [[0x62]])
      #expect(found.pieces == ["a"] + Array(repeating: "", count: bytes.count - 1) + [character, "b", ""])
      #expect(
        found.ids == [[0]] + Array(repeating: [], count: bytes.count - 1) + [
          (1...Int32(bytes.count)).map { $0 }, [Int32(bytes.count + 1)], [],
        ])
    }
    // The end of one character and the beginning of the next in one token.
    #expect(pieces([[0xc3], [0xa9, 0xe8], [0xaa, 0x9e]]).pieces == ["", "é", "語", ""])
  }

  @Test("bytes that are no character become U+FFFD, at once or when the text ends")
  func invalid() {
    #expect(pieces([[0xff], [0x61]]).pieces == ["\u{fffd}", "a", ""])
    #expect(pieces([[0x80], [0xe8, 0xaa]]).pieces == ["\u{fffd}", "", "\u{fffd}"])
    #expect(pieces([[0xf0, 0x9f], [0x61]]).pieces == ["", "\u{fffd}a", ""])
  }

  @Test("a stop string ends the text before it, wherever token borders lie")
  func stops() {
    for tokens in [["one ", "STOP", " two"], ["one S", "T", "OP two"], ["o", "ne ST", "OP"], ["one STOP two"]] {
      let found = pieces(tokens, stops: ["STOP"])
      #expect(found.isStopped && found.pieces.joined() == "one ", "\(tokens)")
    }
    // What looks like one and is none comes later, whole.
    #expect(pieces(["a S", "TO", "N"], stops: ["STOP"]).pieces == ["a ", "", "STON", ""])
    #expect(pieces(["a S", "TO"], stops: ["STOP"]).pieces == ["a ", "", "STO"])
    #expect(pieces(["aab"], stops: ["ab"]).pieces.joined() == "a")
    #expect(pieces(["a", "a", "a", "b"], stops: ["aab"]).pieces.joined() == "a")
    // Of several, the one that begins first.
    #expect(pieces(["x<end>y"], stops: ["y", "<end>"]).pieces.joined() == "x")
    #expect(pieces(["é", "ü"], stops: ["ü"]).pieces.joined() == "é")
  }

  @Test("the tokens of a stop string are not delivered, but for one that has some of the text before it")
  func stopTokens() {
    #expect(pieces(["one ", "ST", "OP"], stops: ["STOP"]).ids.joined().map(\.self) == [0])
    #expect(pieces(["one S", "TOP"], stops: ["STOP"]).ids.joined().map(\.self) == [0])
    #expect(pieces(["STOP"], stops: ["STOP"]).ids.joined().map(\.self) == [])
  }

  @Test("the space before an answer is left out once, where it is the first thing")
  func leading() {
    #expect(pieces([" Hello", " you"], leading: " ").pieces == ["Hello", " you", ""])
    #expect(pieces(["Hello", " you"], leading: " ").pieces == ["Hello", " you", ""])
    #expect(pieces([" ", " you"], leading: " ").pieces == ["", " you", ""])
    #expect(pieces(["\n", "\n", "x"], leading: "\n\n").pieces == ["", "", "x", ""])
    #expect(pieces(["\n"], leading: "\n\n").pieces == ["", "\n"])
    #expect(pieces([" STOP"], stops: ["STOP"], leading: " ").pieces.joined() == "")
  }
}
