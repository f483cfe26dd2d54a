import TensorCore

/// Questions of multi-step arithmetic, step by step deeper: a cut that leaves multiple choice as it was may still break the thread of a
/// calculation, and the depth at which it breaks says how much of it. Made, not read: the same seed gives the same questions on every machine.
///
/// A question of depth d has d additions and subtractions, carried out from left to right. Every number and every intermediate result is from 0 to
/// 99, so that none needs more digits than a small model writes, and no step adds or subtracts nothing. The sum of depth 1 is drawn with both
/// numbers from 0 to 99; longer ones start there and go on from each result.
public struct ArithmeticLadder: Sendable {
  public enum Style: String, Sendable, CaseIterable {
    /// "3 + 4 - 2 =", answered by " 5"
    case plain
    /// The same asked in words, answered by each step and "The answer is 5."
    case chainOfThought = "chain_of_thought"
  }

  /// One question with its answer as it should be written.
  public struct Row: Sendable, Equatable {
    /// The whole text in front of the answer, without examples.
    public let question: String
    /// "5", or for chain of thought "Step by step: 3 + 4 = 7. 7 - 2 = 5. The answer is 5."
    public let answer: String
    /// The number alone.
    public let result: Int
    /// Operations, from 1.
    public let depth: Int
  }

  /// Beyond this many questions of depth 1 there would not be enough different ones left for examples.
  public static let mostQuestions = 2000
  public static let mostExamples = 32

  public let style: Style
  /// By depth, the shallowest first; `questions` of each.
  public let rows: [Row]
  /// For each depth, from 1: examples to stand in front of its questions, none of which is among them.
  private let examplesByDepth: [[Row]]

  /// - Parameters:
  ///   - depths: from 1; the number of operations of the deepest question
  ///   - questions: of each depth, at most `mostQuestions`
  ///   - examples: of each depth, at most `mostExamples`
  public init(depths: Int = 6, questions: Int = 50, examples: Int = 4, style: Style = .plain, seed: UInt64 = 0) {
    precondition(
      depths > 0 && (0...ArithmeticLadder.mostQuestions).contains(questions) && (0...ArithmeticLadder.mostExamples).contains(examples),
      "arithmetic ladder: \(depths) depths, \(questions) questions, \(examples) examples")
    var (rows, byDepth): ([Row], [[Row]]) = ([], [])
    for depth in 1...depths {
      // A depth's questions depend on nothing but seed and depth; examples are drawn behind them.
      var random = SplitMix64(seed: SplitMix64.seed(seed, for: UInt64(depth)))
      var known: Set<[Int]> = []
      var made: [Row] = []
      while made.count < questions + examples {
        let terms = ArithmeticLadder.terms(depth, &random)
        if known.insert(terms).inserted { made.append(ArithmeticLadder.row(terms, style)) }
      }
      rows += made.prefix(questions)
      byDepth.append(Array(made.suffix(examples)))
    }
    (self.style, self.rows, examplesByDepth) = (style, rows, byDepth)
  }

  /// Worked examples of a depth.
  public func examples(depth: Int) -> [Row] { examplesByDepth[depth - 1] }

  /// The text in front of the answer with the examples of its depth before it, a blank line between them.
  public func prompt(_ row: Row) -> String {
    examples(depth: row.depth).map { $0.question + " " + $0.answer + "\n\n" }.joined() + row.question
  }

  /// What text ends an answer: the next question would begin.
  public static let stop = "\n"

  /// The number an answer gives: the last one in its first line; nil where there is none.
  public static func result(of answer: String) -> Int? {
    let line = answer.split(separator: "\n", maxSplits: 1).first ?? ""
    let digits = line.split { !("0"..."9").contains($0) }
    return digits.last.flatMap { Int($0) }
  }

  /// A first number and signed steps; nothing leaves 0…99.
  private static func terms(_ depth: Int, _ random: inout SplitMix64) -> [Int] {
    func below(_ bound: Int) -> Int { Int(random.next().multipliedFullWidth(by: UInt64(bound)).high) }
    var terms = [below(100)]
    var total = terms[0]
    for _ in 0..<depth {
      // Both directions are as likely where both are open.
      let isSum = total == 0 || (total < 99 && below(2) == 0)
      let step = isSum ? 1 + below(99 - total) : -1 - below(total)
      terms.append(step)
      total += step
    }
    return terms
  }

  private static func row(_ terms: [Int], _ style: Style) -> Row {
    var (sum, total, steps) = ("\(terms[0])", terms[0], "")
    for step in terms.dropFirst() {
      let operation = step < 0 ? " - \(-step)" : " + \(step)"
      sum += operation
      steps += "\(total)\(operation) = \(total + step). "
      total += step
    }
    return switch style {
    case .plain: Row(question: "\(sum) =", answer: "\(total)", result: total, depth: terms.count - 1)
    case .chainOfThought:
      Row(
        question: "What is \(sum)?", answer: "Step by step: \(steps)The answer is \(total).", result: total, depth: terms.count - 1)
    }
  }
}
