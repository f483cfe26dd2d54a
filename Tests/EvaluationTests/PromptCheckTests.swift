import Testing

@testable import Evaluation

/// What answers are held to.
struct PromptCheckTests {
  private func answer(_ text: String, ids: [Int32] = [], stopped: Bool = true) -> PromptCheck.Answer {
    .init(text: text, ids: ids, hasStopped: stopped)
  }

  @Test("each check takes what it should and says why it does not take the rest")
  func checks() throws {
    let cases: [(check: PromptCheck, good: String, bad: String)] = [
      (.regex(try TextPattern("(?i)title: \\w+")), "The TITLE: Dust", "no such thing"),
      (.notRegex(try TextPattern("\\d{3}")), "12 men", "123 men"), (.contains("café"), "a café there", "a cafe there"),
      (.notContains("As an AI"), "I am here", "As an AI, I"), (.json, " {\"a\": [1, 2]}\n", "{\"a\": 1,}"),
      (.minWords(3), "one  two\nthree", "one two"), (.maxWords(2), "one two", "one two three"),
    ]
    for item in cases {
      #expect(item.check.objection(to: answer(item.good)) == nil, "\(item.good)")
      #expect(item.check.objection(to: answer(item.bad))?.isEmpty == false, "\(item.bad)")
    }
    #expect(PromptCheck.stops.objection(to: answer("a")) == nil && PromptCheck.stops.objection(to: answer("a", stopped: false)) != nil)
  }

  @Test("a pattern that backtracks for ever fails instead of hanging, and letters are Unicode's")
  func patterns() throws {
    let endless = PromptCheck.regex(try TextPattern("^(a+)+$"))
    #expect(endless.objection(to: answer(String(repeating: "a", count: 5000) + "b"))?.contains("given up") == true)
    #expect(try TextPattern("^\\w+$").matches("Größe") && !TextPattern("^.$").matches("ab") && TextPattern("^.$").matches("🐈"))
    #expect(throws: TextPattern.Refusal.self) { try TextPattern("[") }
    #expect(throws: TextPattern.Refusal.self) { try TextPattern(String(repeating: "a", count: 20_001)) }
  }

  @Test("a loop is one stretch three times in a row and thirty tokens long; refrains, lists and varied text are none")
  func loops() {
    let varied = (0..<400).map { Int32($0 * $0 % 397) }
    #expect(RepetitionLoop(in: []) == nil && RepetitionLoop(in: [1]) == nil && RepetitionLoop(in: varied) == nil)
    let sentence = (100..<112).map { Int32($0) }
    let twice = varied + sentence + sentence
    #expect(RepetitionLoop(in: twice + varied) == nil)
    let loop = RepetitionLoop(in: varied + sentence + sentence + sentence + [7, 8])
    #expect(loop?.period == 12 && loop?.count == 3 && loop?.start == 400)
    // Short words over and over are a loop when there are many of them.
    #expect(RepetitionLoop(in: Array(repeating: 5, count: 29)) == nil)
    let stutter = RepetitionLoop(in: [1, 2] + Array(repeating: 5, count: 31))
    #expect(stutter?.period == 1 && stutter?.count == 31 && stutter?.start == 2)
    #expect(RepetitionLoop(in: (0..<45).map { $0 % 3 })?.period == 3)
    #expect(PromptCheck.noLoop.objection(to: answer("", ids: Array(repeating: 5, count: 40))) == "a token 40 times in a row")
  }
}
