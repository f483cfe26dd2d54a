import Tasks
import Testing

struct ArithmeticLadderTests {
  /// Reads what a row says, from left to right, with nothing of the generator's: nil for what is no sum.
  private func evaluate(_ sum: some StringProtocol) -> [Int]? {
    let words = sum.split(separator: " ")
    guard let first = words.first.flatMap({ Int($0) }), words.count % 2 == 1 else { return nil }
    var results = [first]
    for index in stride(from: 1, to: words.count, by: 2) {
      guard let number = Int(words[index + 1]) else { return nil }
      switch words[index] {
      case "+": results.append(results[results.count - 1] + number)
      case "-": results.append(results[results.count - 1] - number)
      default: return nil
      }
    }
    return results
  }

  @Test("every answer is right, and no result leaves 0 to 99", arguments: ArithmeticLadder.Style.allCases)
  func answers(style: ArithmeticLadder.Style) throws {
    let ladder = ArithmeticLadder(depths: 6, questions: 200, style: style, seed: 7)
    #expect(ladder.rows.count == 1200)
    for row in ladder.rows + (1...6).flatMap(ladder.examples) {
      let sum = style == .plain ? row.question.dropLast(2) : row.question.dropFirst(8).dropLast(1)
      let results = try #require(evaluate(sum), "\(row.question)")
      #expect(results.last == row.result && results.allSatisfy { (0...99).contains($0) } && results.count == row.depth + 1)
      #expect(zip(results, results.dropFirst()).allSatisfy { $0 != $1 })
      #expect(ArithmeticLadder.result(of: " " + row.answer) == row.result)
      guard style == .chainOfThought else { continue }
      let sentences = row.answer.dropFirst("Step by step: ".count).split(separator: ". ")
      #expect(sentences.count == row.depth + 1 && sentences.last == "The answer is \(row.result).")
      for (index, step) in sentences.dropLast().enumerated() {
        let sides = step.split(separator: " = ")
        #expect(evaluate(sides[0]) == [results[index], results[index + 1]] && Int(sides[1]) == results[index + 1])
      }
    }
  }

  @Test("no question is asked twice, none is an example, and both operations occur at every depth")
  func different() {
    // As many as there may be: 9,900 sums of depth 1 exist.
    let ladder = ArithmeticLadder(depths: 3, questions: ArithmeticLadder.mostQuestions, examples: ArithmeticLadder.mostExamples)
    for depth in 1...3 {
      let texts = ladder.rows.filter { $0.depth == depth }.map(\.question)
      #expect(texts.count == ArithmeticLadder.mostQuestions && Set(texts + ladder.examples(depth: depth).map(\.question)).count == 2032)
      #expect(texts.contains { $0.contains("+") } && texts.contains { $0.contains("-") })
    }
  }

  @Test("a seed gives the same questions, however many are asked and in either style")
  func seeds() {
    let (few, many) = (ArithmeticLadder(questions: 5, seed: 3), ArithmeticLadder(questions: 9, seed: 3))
    let spoken = ArithmeticLadder(questions: 5, style: .chainOfThought, seed: 3)
    for depth in 1...6 {
      let texts = few.rows.filter { $0.depth == depth }
      #expect(texts == Array(many.rows.filter { $0.depth == depth }.prefix(5)))
      #expect(texts.map(\.result) == spoken.rows.filter { $0.depth == depth }.map(\.result))
    }
    #expect(few.rows != ArithmeticLadder(questions: 5, seed: 4).rows)
    #expect(few.rows.prefix(3).map(\.question) == ["29 - 1 =", "36 - 33 =", "34 + 46 ="])
  }

  @Test("a prompt is its examples, worked, and the question")
  func prompts() {
    let ladder = ArithmeticLadder(depths: 2, questions: 1, examples: 2, style: .chainOfThought)
    let parts = ladder.prompt(ladder.rows[1]).split(separator: "\n\n")
    #expect(parts.count == 3 && parts[2] == ladder.rows[1].question)
    #expect(parts.dropLast().allSatisfy { $0.contains("Step by step: ") && $0.hasSuffix(".") })
    #expect(ArithmeticLadder(depths: 1, questions: 1, examples: 0).prompt(ladder.rows[0]) == ladder.rows[0].question)
  }

  @Test("the number an answer gives is the last one of its first line")
  func readings() {
    #expect(ArithmeticLadder.result(of: " 42\n17 + 3 =") == 42)
    #expect(ArithmeticLadder.result(of: "Step by step: 3 + 4 = 7. The answer is 7.") == 7)
    #expect(ArithmeticLadder.result(of: " none") == nil && ArithmeticLadder.result(of: "") == nil)
    #expect(ArithmeticLadder.result(of: String(repeating: "9", count: 40)) == nil)
  }
}
